#include "adapters/posix/redis_session.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "adapters/posix/limiter_impl.hpp"
#include "adapters/posix/random.hpp"

namespace tidegate::posix {
namespace {

std::string text_of(const std::map<std::string, std::string, std::less<>>& texts,
                    const std::string& name) {
  const auto found = texts.find(name);
  return found == texts.end() ? "" : found->second;
}

std::array<std::string, 4> files_of(const LoadedConfig& loaded) {
  const RedisConfig& redis = loaded.config.redis;
  return {text_of(loaded.key_files, redis.ca_file), text_of(loaded.key_files, redis.cert_file),
          text_of(loaded.key_files, redis.key_file),
          text_of(loaded.secrets, redis.sentinel.password_env)};
}

}  // namespace

std::expected<redis::ClientOptions, Error> client_options(const LoadedConfig& loaded,
                                                          std::size_t sharers) {
  const RedisConfig& redis = loaded.config.redis;
  redis::ClientOptions options;
  options.config = redis;
  options.connections = static_cast<std::uint32_t>(
      std::max<std::size_t>(1, redis.pool_size / std::max<std::size_t>(1, sharers)));
  options.seed = random_number();
  const auto [ca, certificate, key, password] = files_of(loaded);
  options.sentinel_password = password;
  if (redis.url.starts_with("rediss:")) {
    auto tls = redis::TlsContext::create(
        {.ca = ca, .certificate = certificate, .key = key, .verify = redis.verify});
    if (!tls) return std::unexpected(tls.error());
    options.tls = std::make_shared<const redis::TlsContext>(std::move(*tls));
  }
  return options;
}

bool same_redis(const LoadedConfig& a, const LoadedConfig& b) {
  return a.config.redis == b.config.redis && files_of(a) == files_of(b);
}

void Pending::answered() {
  session_->conclude(*this);
  decided();
}

RedisSession::RedisSession(Limiter& limiter, MakeNetwork make_network, std::size_t sharers)
    : impl_(*limiter.impl_), make_network_(std::move(make_network)), sharers_(sharers) {}

RedisSession::~RedisSession() {
  for (const auto& line : lines_) line->guard->shut_down(impl_.now_us());
}

void RedisSession::connect() {
  const Micros now = impl_.now_us();
  const auto generation = impl_.generations.pin()->shared_from_this();
  Line& line = line_for(generation);
  line.guard->client().connect(now);
}

bool RedisSession::decide(const Request& request, Decision& out, Pending& pending) noexcept {
  try {
    return begin(request, out, pending);
  } catch (const std::exception&) {
    impl_.fail_without_memory(out);
    return true;
  }
}

bool RedisSession::begin(const Request& request, Decision& out, Pending& pending) {
  const Times times = impl_.look_around();
  auto generation = impl_.generations.pin()->shared_from_this();
  const Engine& engine = *generation->engine;
  pending.session_ = this;
  pending.request_ = &request;
  pending.out_ = &out;
  pending.plan_ = {};
  engine.plan(request, times, out, pending.plan_);
  pending.check = pending.plan_.check(engine.policy());
  if (!pending.plan_.limited ||
      (pending.check.charges.empty() && pending.check.penalties == nullptr)) {
    if (pending.plan_.limited) engine.conclude(pending.plan_, {}, {}, out);
    impl_.observe(generation->config(), request, out);
    return true;
  }
  pending.verdicts_.resize(pending.plan_.charges.size());
  pending.verdicts = {pending.verdicts_.data(), pending.verdicts_.size()};
  Line& line = line_for(generation);
  pending.guard_ = line.guard.get();
  pending.generation_ = std::move(generation);
  if (!line.guard->ask(pending, times.now_us)) {
    line.network->end_turn();
    return false;
  }
  conclude(pending);
  return true;
}

void RedisSession::cancel(Pending& pending) {
  if (pending.guard_ != nullptr) pending.guard_->cancel(pending);
  pending.generation_.reset();
}

/// Turns an answer, or that there is none, into the decision.
void RedisSession::conclude(Pending& pending) {
  const std::shared_ptr<const Generation> generation = std::move(pending.generation_);
  const Engine& engine = *generation->engine;
  Decision& out = *pending.out_;
  switch (pending.by) {
    case AnsweredBy::store:
      engine.conclude(pending.plan_, pending.verdicts, pending.cooldown, out);
      break;
    case AnsweredBy::local:
      pending.cooldown = engine.ask(pending.plan_, out.time_us, pending.verdicts);
      engine.conclude(pending.plan_, pending.verdicts, pending.cooldown, out);
      break;
    case AnsweredBy::fail_open:
      engine.fail(pending.plan_, true, 0, out);
      break;
    case AnsweredBy::fail_closed:
      engine.fail(pending.plan_, false, pending.retry_us, out);
      break;
  }
  impl_.observe(generation->config(), *pending.request_, out);
}

RedisSession::Line& RedisSession::line_for(const std::shared_ptr<const Generation>& generation) {
  // Those that another has replaced end what they began.
  while (lines_.size() > 1 && lines_.front()->guard->idle()) lines_.erase(lines_.begin());
  if (!lines_.empty() && lines_.back()->generation == generation) return *lines_.back();
  if (!lines_.empty() && same_redis(lines_.back()->generation->loaded, generation->loaded)) {
    Line& line = *lines_.back();
    line.generation = generation;
    line.guard->set_failure_mode(generation->config().failure_mode);
    line.guard->forget_denials();
    return line;
  }
  const RateLimitConfig& config = generation->config();
  auto options = client_options(generation->loaded, sharers_);
  if (!options) {  // it was checked when the generation was made
    if (!lines_.empty()) return *lines_.back();
    throw std::runtime_error(options.error().message);
  }
  auto line = std::make_unique<Line>();
  line->generation = generation;
  line->network = make_network_([this] { return impl_.now_us(); });
  line->guard = std::make_unique<Guard>(
      Guard::options_of(config, random_number()), std::move(*options),
      redis::CheckCodec(redis::KeyNames(config.redis.key_prefix, config.name_space)),
      *line->network, impl_.instruments.guards(), static_cast<GuardObserver&>(*this));
  Guard* const guard = line->guard.get();
  line->network->drive(guard->client(), [guard](Micros at) { guard->flush(at); });
  lines_.push_back(std::move(line));
  return *lines_.back();
}

void RedisSession::on_exchange(redis::Operation operation, Micros latency_us) {
  impl_.instruments.redis.count_exchange(operation, latency_us);
}

void RedisSession::on_error(redis::Operation operation, redis::ErrorType type) {
  impl_.instruments.redis.count_error(operation, type);
}

void RedisSession::on_event(std::string_view event, std::string_view message) {
  impl_.note_redis_event(event, message);
}

}  // namespace tidegate::posix
