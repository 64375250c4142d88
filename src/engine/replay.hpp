// The whole engine on given times: one JSON request a line in, one JSON decision a line out. This
// is how rules are tested without a server and how the engine is compared with an exact reference.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "engine/engine.hpp"
#include "tidegate/config.hpp"
#include "tidegate/error.hpp"

namespace tidegate {

/// A private table, a fixed hash key, and no clock but the `t_us` of the lines. Not thread-safe.
class Replay {
 public:
  /// The error says why the configuration cannot be compiled or has no room in its own table.
  [[nodiscard]] static std::expected<Replay, Error> create(const RateLimitConfig& config);
  Replay(Replay&&) noexcept;
  Replay& operator=(Replay&&) noexcept;
  ~Replay();

  /// Decides one line and appends the answer and a newline to `out`. A line that is no request is
  /// answered with status 400 and changes nothing.
  void line(std::string_view line, std::string& out);

 private:
  struct State;
  explicit Replay(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tidegate
