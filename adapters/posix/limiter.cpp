#include "tidegate/limiter.hpp"

#include <utility>

#include "adapters/posix/open_engine.hpp"

namespace tidegate {

struct Limiter::Impl {
  RateLimitConfig config;
  posix::OpenEngine open;
};

Limiter::Limiter() = default;
Limiter::~Limiter() = default;

std::expected<std::unique_ptr<Limiter>, Error> Limiter::open(const LoadedConfig& config) {
  auto opened = posix::open_engine(config.config, posix::OpenMode::create);
  if (!opened) return std::unexpected(opened.error());
  std::unique_ptr<Limiter> limiter(new Limiter);
  limiter->impl_ = std::make_unique<Impl>(config.config, std::move(*opened));
  return limiter;
}

void Limiter::decide(const Request& request, Decision& out) noexcept {
  impl_->open.engine->decide(request, impl_->open.segment.now_us(), out);
}

void Limiter::after_fork() {}
const RateLimitConfig& Limiter::config() const { return impl_->config; }
RenderOptions Limiter::render_options() const { return RenderOptions::from(impl_->config); }
std::uint64_t Limiter::wall_us() const { return posix::wall_us(); }
std::string Limiter::metrics() const { return {}; }
Health Limiter::health() const {
  return {.status = "ok", .backend = "memory", .latency_ms = 0, .breaker = "closed"};
}
void Limiter::reopen_log() {}
void Limiter::log_event(std::string_view, std::string_view) {}
void Limiter::warn_identity(std::string_view, std::string_view) {}

}  // namespace tidegate
