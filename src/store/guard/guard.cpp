#include "store/guard/guard.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tidegate {
namespace {

/// The most a script call decides at once.
constexpr std::size_t kMostChecks = redis::CheckCodec::kMostChecks;

/// Whether the keys of a check belong to several clients: to whoever asks, to his address, to all.
bool spans_slots(const Check& check) {
  const Hash128& first = check.charges.empty() ? check.client : check.charges.front().client;
  if (check.penalties != nullptr && check.client != first) return true;
  return std::ranges::any_of(check.charges,
                             [&first](const Charge& charge) { return charge.client != first; });
}

std::string_view what_happens(FailureMode mode) {
  switch (mode) {
    case FailureMode::fail_open:
      return "requests are let through";
    case FailureMode::fail_closed:
      return "requests are answered 503";
    case FailureMode::local:
      return "each host enforces the limits on its own";
  }
  return "";
}

}  // namespace

BreakerState state_of(const GuardMemory& memory, Micros now) {
  BreakerState worst = BreakerState::closed;
  for (const BreakerMemory& breaker : memory.breakers) {
    worst = std::max(worst, state_of(breaker, now));
  }
  return worst;
}

/// The charges of a check whose keys are in one slot.
class Guard::Part final : public Question {
 public:
  Part(Guard& guard, Split& split) : guard_(guard), split_(split) {}

  void add(const Charge& charge, std::size_t place) {
    charges_.push_back(charge);
    places_.push_back(place);
  }
  void close(std::size_t enforced, const Penalties* penalties, const Hash128& client) {
    answers_.resize(charges_.size());
    check = {.charges = charges_, .enforced = enforced, .penalties = penalties, .client = client};
    verdicts = answers_;
  }
  /// Copies what was answered to where it belongs.
  void tell(Question& whole) const {
    for (std::size_t i = 0; i < places_.size(); ++i) whole.verdicts[places_[i]] = answers_[i];
    if (check.penalties != nullptr) whole.cooldown = cooldown;
  }

 private:
  void answered() override { guard_.end_part(split_); }

  Guard& guard_;
  Split& split_;
  std::vector<Charge> charges_;
  std::vector<std::size_t> places_;
  std::vector<Verdict> answers_;
};

Guard::Options Guard::options_of(const RateLimitConfig& config, std::uint64_t seed) {
  const RedisConfig& redis = config.redis;
  return {.failure_mode = config.failure_mode,
          .decision_timeout_us = micros_of(redis.decision_timeout),
          .breaker = {.threshold = redis.circuit_breaker_threshold,
                      .timeout_us = micros_of(redis.circuit_breaker_timeout),
                      .patience_us = 2 * micros_of(redis.decision_timeout)},
          .seed = seed};
}

Guard::Guard(const Options& options, redis::ClientOptions client, redis::CheckCodec codec,
             redis::Network& network, GuardMemory& shared, GuardObserver& observer)
    : options_(options),
      codec_(std::move(codec)),
      observer_(observer),
      random_(options.seed),
      shared_(shared),
      resets_(shared.resets.load()),
      client_(std::move(client), network, *this) {}

Guard::~Guard() = default;

bool Guard::ask(Question& question, Micros now) {
  if (client_.by_slot() && spans_slots(question.check)) return ask_in_parts(question, now);
  question.slot_ = client_.by_slot() ? codec_.slot_of(question.check) : redis::Slot{0};
  question.breaker_ = client_.server_of(question.slot_) % GuardMemory::kBreakers;
  question.asked_ = now;
  question.call_ = 0;
  question.cooldown = {};
  question.by = AnsweredBy::store;
  if (question.check.charges.empty() && question.check.penalties == nullptr) return true;
  Breaker breaker = this->breaker(question.breaker_);
  const Breaker::Leave leave = breaker.may_leave(now);
  if (leave == Breaker::Leave::no) {
    fail(question, now);
    return true;
  }
  if (leave == Breaker::Leave::probe) {
    Question* const one = &question;
    send({&one, 1}, true, now);
    return false;
  }
  if (const std::uint64_t resets = shared_.resets.load(std::memory_order_relaxed);
      resets != resets_) {
    resets_ = resets;
    denials_.clear();
  }
  // What was denied by a store that may be gone by now is no reason to refuse anybody.
  if (!suspect_ && breaker.trusted() &&
      denials_.denies(question.check, now, question.verdicts, question.cooldown)) {
    return true;
  }
  queue_.push_back(&question);
  return false;
}

/// Each part is all or nothing for itself.
bool Guard::ask_in_parts(Question& question, Micros now) {
  const Check& check = question.check;
  question.cooldown = {};
  Split& split = splits_.emplace_back();
  std::vector<std::size_t> enforced;
  const auto part_of = [&](const Hash128& client) {
    std::size_t i = 0;
    while (i < split.parts.size() && split.parts[i]->check.client != client) ++i;
    if (i == split.parts.size()) {
      split.parts.push_back(std::make_unique<Part>(*this, split));
      split.parts[i]->check.client = client;
      enforced.push_back(0);
    }
    return i;
  };
  if (check.penalties != nullptr) part_of(check.client);
  for (std::size_t i = 0; i < check.charges.size(); ++i) {
    const std::size_t part = part_of(check.charges[i].client);
    split.parts[part]->add(check.charges[i], i);
    if (i < check.enforced) ++enforced[part];
  }
  for (std::size_t i = 0; i < split.parts.size(); ++i) {
    Part& part = *split.parts[i];
    const Hash128 client = part.check.client;
    part.close(enforced[i], client == check.client ? check.penalties : nullptr, client);
  }
  split.open = 1;  // so that it does not end meanwhile
  split.whole = &question;
  for (const auto& part : split.parts) {
    if (!ask(*part, now)) ++split.open;
  }
  if (--split.open != 0) return false;
  join(split);
  splits_.pop_back();
  return true;
}

void Guard::end_part(Split& split) {
  if (--split.open != 0) return;
  join(split);
  Question* const whole = split.whole;
  splits_.remove_if([&split](const Split& each) { return &each == &split; });
  if (whole != nullptr) whole->answered();
}

/// Decided by the store if all its parts were.
void Guard::join(const Split& split) {
  if (split.whole == nullptr) return;
  split.whole->by = AnsweredBy::store;
  for (const auto& part : split.parts) {
    part->tell(*split.whole);
    if (part->by == AnsweredBy::store) continue;
    split.whole->by = part->by;
    split.whole->retry_us = part->retry_us;
  }
}

void Guard::cancel(Question& question) {
  for (Split& split : splits_) {
    if (split.whole == &question) split.whole = nullptr;
  }
  if (question.call_ == 0) {
    std::ranges::replace(queue_, &question, static_cast<Question*>(nullptr));
    return;
  }
  const auto found = exchanges_.find(question.call_);
  if (found == exchanges_.end()) return;
  for (Asked& asked : found->second.questions) {
    if (asked.question == &question) asked.question = nullptr;
  }
}

void Guard::flush(Micros now) {
  std::erase(queue_, nullptr);
  if (client_.by_slot()) {
    std::ranges::stable_sort(queue_, {}, [](const Question* question) { return question->slot_; });
  }
  std::vector<Question*> leaving;
  leaving.swap(queue_);
  for (std::size_t first = 0; first < leaving.size();) {
    std::size_t end = first + 1;
    while (end < leaving.size() && end < first + kMostChecks &&
           leaving[end]->slot_ == leaving[first]->slot_) {
      ++end;
    }
    send(std::span(leaving).subspan(first, end - first), false, now);
    first = end;
  }
  client_.flush(now);
}

void Guard::send(std::span<Question* const> questions, bool probe, Micros now) {
  const std::uint64_t number = ++last_call_;
  Exchange& exchange = exchanges_[number];
  exchange.breaker = questions.front()->breaker_;
  exchange.probe = probe;
  exchange.began = now;
  std::vector<Check> checks;
  checks.reserve(questions.size());
  Micros asked = now;
  for (Question* const question : questions) {
    question->call_ = number;
    asked = std::min(asked, question->asked_);
    exchange.questions.push_back({question, question->check.charges.size()});
    checks.push_back(question->check);
  }
  client_.call(number, codec_.encode(checks), asked + options_.decision_timeout_us, now);
}

void Guard::on_reply(std::uint64_t call, const redis::Reply& reply, Micros now) {
  auto taken = exchanges_.extract(call);
  if (taken.empty()) return;
  const Exchange& exchange = taken.mapped();
  std::size_t charges = 0;
  for (const Asked& asked : exchange.questions) charges += asked.charges;
  std::vector<Verdict> verdicts(charges);
  std::vector<redis::CheckAnswer> answers(exchange.questions.size());
  std::span<Verdict> rest(verdicts);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    answers[i].verdicts = rest.first(exchange.questions[i].charges);
    rest = rest.subspan(exchange.questions[i].charges);
  }
  if (const auto decoded = redis::CheckCodec::decode(reply, answers); !decoded) {
    observer_.on_error(redis::Operation::check, decoded.error().type);
    return end_exchange(exchange, decoded.error(), now);
  }
  suspect_ = false;
  Breaker breaker = this->breaker(exchange.breaker);
  if (breaker.succeed(exchange.probe)) end_outage("Redis answers again", breaker.began(), now);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    Question* const question = exchange.questions[i].question;
    if (question == nullptr) continue;
    if (!answers[i].error.empty()) {
      // One client's keys hold what is not ours: no fault of the server, and none of others.
      observer_.on_error(redis::Operation::check, redis::ErrorType::protocol);
      observer_.on_event("foreign_value", answers[i].error);
      fail(*question, now);
    } else {
      std::ranges::copy(answers[i].verdicts, question->verdicts.begin());
      question->cooldown = answers[i].cooldown;
      denials_.note(question->check, now, question->verdicts, question->cooldown);
    }
    question->answered();
  }
}

void Guard::on_failure(std::uint64_t call, const redis::Failure& failure, Micros now) {
  auto taken = exchanges_.extract(call);
  if (!taken.empty()) end_exchange(taken.mapped(), failure, now);
}

/// One exchange has failed, whatever the number of those who asked in it.
void Guard::end_exchange(const Exchange& exchange, const redis::Failure& failure, Micros now) {
  suspect_ = true;
  Breaker breaker = this->breaker(exchange.breaker);
  if (breaker.fail(exchange.probe, now)) begin_outage(failure);
  // A connection that came while a probe waited for one has not been tried yet.
  if (exchange.probe && last_ready_ >= exchange.began) breaker.hurry(now);
  for (const Asked& asked : exchange.questions) {
    if (asked.question == nullptr) continue;
    fail(*asked.question, now);
    asked.question->answered();
  }
}

void Guard::fail(Question& question, Micros now) {
  switch (options_.failure_mode) {
    case FailureMode::fail_open:
      question.by = AnsweredBy::fail_open;
      return;
    case FailureMode::local:
      question.by = AnsweredBy::local;
      return;
    case FailureMode::fail_closed:
      break;
  }
  question.by = AnsweredBy::fail_closed;
  // Spread by a fifth either way, so that not all come back at once.
  constexpr Micros kLeast = 1'000'000;
  const Micros wait = std::max(breaker(question.breaker_).until_probe(now), kLeast);
  question.retry_us = std::max(kLeast, wait * 4 / 5 + random_.below(wait * 2 / 5 + 1));
}

void Guard::begin_outage(const redis::Failure& failure) {
  observer_.on_event("redis_outage_began",
                     fmt::format("{}: {}; {} until it answers again", to_string(failure.type),
                                 failure.message, what_happens(options_.failure_mode)));
}

void Guard::end_outage(std::string_view why, Micros began, Micros now) {
  observer_.on_event("redis_outage_ended", fmt::format("{}, after {:.1f} s", why,
                                                       static_cast<double>(now - began) / 1e6));
}

void Guard::on_exchange(redis::Operation operation, Micros latency_us) {
  observer_.on_exchange(operation, latency_us);
}

void Guard::on_error(redis::Operation operation, redis::ErrorType type) {
  suspect_ = true;
  observer_.on_error(operation, type);
}

void Guard::on_master_changed() { denials_.clear(); }

void Guard::on_ready(std::uint64_t server, Micros now) {
  denials_.clear();  // it may have forgotten everything
  last_ready_ = now;
  breaker(server % GuardMemory::kBreakers).hurry(now);
}

void Guard::on_gone(std::uint64_t server, Micros now) {
  Breaker breaker = this->breaker(server % GuardMemory::kBreakers);
  if (breaker.close()) end_outage("another server has its slots", breaker.began(), now);
}

void Guard::on_remark(std::string_view event, std::string_view message) {
  observer_.on_event(event, message);
}

void Guard::shut_down(Micros now) {
  for (Question* const question : std::exchange(queue_, {})) {
    if (question == nullptr) continue;
    fail(*question, now);
    question->answered();
  }
  client_.shut_down(now);
}

}  // namespace tidegate
