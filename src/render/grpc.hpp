// A rejection as gRPC clients understand it: a status of their own beside the fields, where HTTP
// says 200 and there is no body (Trailers-Only of the gRPC protocol over HTTP/2).
#pragma once

#include <string>
#include <string_view>

#include "tidegate/decision.hpp"

namespace tidegate {

/// Whether a request with this Content-Type is one of gRPC, grpc-web included.
[[nodiscard]] bool is_grpc(std::string_view content_type);

/// The value of grpc-status: 8 (RESOURCE_EXHAUSTED), or 14 (UNAVAILABLE) where the store failed.
/// Precondition: !decision.admitted().
[[nodiscard]] unsigned grpc_status(const Decision& decision);

/// The value of grpc-message, appended: the message of the JSON body, percent-encoded.
void append_grpc_message(const Decision& decision, std::string& out);

}  // namespace tidegate
