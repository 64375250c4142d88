// The whole engine on given times. This is how rules are tested without a server, against an access
// log too, and how the engine is compared with an exact reference.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "engine/engine.hpp"
#include "tidegate/config.hpp"
#include "tidegate/error.hpp"

namespace tidegate {

/// A private table, a fixed hash key, and no clock but the `t_us` of the lines. Not thread-safe.
class Replay {
 public:
  /// The error says why the configuration cannot be compiled or has no room in its own table, or
  /// that keys it names were not loaded.
  [[nodiscard]] static std::expected<Replay, Error> create(const LoadedConfig& loaded);
  /// The same against another store, which is asked at the time of each request.
  using Ask = std::function<std::expected<Cooldown, Error>(const Check& check, Micros t_us,
                                                           std::span<Verdict> verdicts)>;
  [[nodiscard]] static std::expected<Replay, Error> create(const LoadedConfig& loaded, Ask ask);
  Replay(Replay&&) noexcept;
  Replay& operator=(Replay&&) noexcept;
  ~Replay();

  /// Decides one line, a request in JSON, and appends the answer and a newline to `out`. A line
  /// that is no request is answered with status 400 and changes nothing.
  void line(std::string_view line, std::string& out);

  /// Decides one request. The decision is valid until the next one.
  const Decision& decide(const Request& request, Micros t_us);

  /// Why that store did not answer; then decisions from there on mean nothing. "" it has answered.
  [[nodiscard]] const std::string& error() const;

  [[nodiscard]] const Policy& policy() const;
  /// Looks at the whole table.
  [[nodiscard]] StoreStats stats(Micros t_us) const;

 private:
  struct State;
  explicit Replay(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tidegate
