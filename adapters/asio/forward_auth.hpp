// The question of a proxy that asks before it forwards: which request is it about?
#pragma once

#include <expected>
#include <optional>
#include <string_view>

#include "tidegate/decision.hpp"

namespace tidegate::server {

/// The request that a request to /auth asks about. Views into the header it was read from.
struct Asked {
  std::string_view method;
  std::string_view target;
  /// A second, different spelling, where the header has two.
  std::optional<std::string_view> other_target;
};

/// Reads X-Forwarded-Method, X-Original-Method, X-Forwarded-Uri and X-Original-URI, in all their
/// lines: a proxy may set one and pass on another that its client wrote, so none is left out. More
/// than two targets, two different methods, or no target at all are errors, in a sentence. Without
/// a method it is `own_method`, that of the request to /auth.
[[nodiscard]] std::expected<Asked, std::string_view> read_asked(const HeaderLines& headers,
                                                                std::string_view own_method);

/// What "/auth?deny=..." says: the status of a denial, nothing for that of the decision; an error,
/// in a sentence, for any other status than 403. Other parameters mean nothing.
[[nodiscard]] std::expected<std::optional<unsigned>, std::string_view> read_deny(
    std::string_view auth_target);

}  // namespace tidegate::server
