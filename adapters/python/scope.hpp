// An ASGI scope as a request: what the engine wants of it, viewed where it lies.
#pragma once

#include <Python.h>

#include <optional>
#include <string>
#include <string_view>

#include "tidegate/decision.hpp"

namespace tidegate::python {

/// The lines of ASGI's `headers`: pairs of bytes. Whatever else is in there is passed over.
class ScopeLines final : public HeaderLines {
 public:
  explicit ScopeLines(PyObject* headers) : headers_(headers) {}
  void each(std::string_view name, FunctionRef<bool(std::string_view)> use) const override;

 private:
  PyObject* headers_;  ///< borrowed; null: none
};

/// Holds the scope, and with it all that the request views. To be made, used and ended with the
/// interpreter's lock held. Never fails: what a scope does not have, or has in another form, the
/// request does not have.
class ScopeRequest {
 public:
  explicit ScopeRequest(PyObject* scope);
  ScopeRequest(const ScopeRequest&) = delete;
  ScopeRequest& operator=(const ScopeRequest&) = delete;
  ~ScopeRequest();

  /// Whether the peer stands in X-Forwarded-For: a server before us has taken it from there.
  [[nodiscard]] bool peer_rewritten() const;

  /// As it was read; client, tier and cost may be set.
  Request request;

 private:
  void read_target();
  void read_peer();

  PyObject* scope_;
  std::string target_;  ///< where the scope has none as it was received
  std::optional<ScopeLines> lines_;
};

}  // namespace tidegate::python
