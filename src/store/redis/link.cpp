#include "store/redis/link.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace tidegate::redis {
namespace {

constexpr std::size_t kMaxMessage = 160;

/// An error as a server words it, for a log line: bounded, and one line.
std::string quoted(std::string_view text) {
  std::string line(text.substr(0, kMaxMessage));
  std::ranges::replace_if(line, [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return line;
}

bool is_greeting(Purpose purpose) {
  return purpose == Purpose::auth || purpose == Purpose::select || purpose == Purpose::ping ||
         purpose == Purpose::greeting_role;
}

}  // namespace

std::string to_string(const Endpoint& endpoint) {
  if (!endpoint.path.empty()) return endpoint.path;
  const bool v6 = endpoint.host.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", endpoint.host, endpoint.port)
            : fmt::format("{}:{}", endpoint.host, endpoint.port);
}

ErrorMeaning meaning_of(std::string_view error) {
  struct Known {
    std::string_view begin;
    ErrorMeaning meaning;
  };
  static constexpr std::array kKnown{
      Known{"READONLY", {ErrorType::readonly, true}},
      Known{"MISCONF", {ErrorType::readonly, true}},
      Known{"LOADING", {ErrorType::loading, true}},
      Known{"MASTERDOWN", {ErrorType::loading, true}},
      Known{"NOREPLICAS", {ErrorType::noreplicas, true}},
      Known{"CLUSTERDOWN", {ErrorType::clusterdown, false}},
      Known{"MOVED ", {ErrorType::clusterdown, false}},  // redirected once too often
      Known{"ASK ", {ErrorType::clusterdown, false}},
      Known{"TRYAGAIN", {ErrorType::clusterdown, false}},
      Known{"OOM", {ErrorType::oom, false}},
      Known{"BUSY", {ErrorType::timeout, false}},
      Known{"NOAUTH", {ErrorType::auth, false}},
      Known{"WRONGPASS", {ErrorType::auth, false}},
      Known{"NOPERM", {ErrorType::auth, false}},
      Known{"ERR invalid password", {ErrorType::auth, false}},
      Known{"ERR Client sent AUTH", {ErrorType::auth, false}},
  };
  // A script's error tells at first what a command of it said.
  const auto* const known = std::ranges::find_if(
      kKnown, [error](const Known& each) { return error.starts_with(each.begin); });
  return known == kKnown.end() ? ErrorMeaning{} : known->meaning;
}

Link::Link(LinkId id, Endpoint to, const Greeting& greeting, const TlsContext* tls, Micros now)
    : id_(id), endpoint_(std::move(to)), greeting_(&greeting), began_(now) {
  if (tls != nullptr) tls_.emplace(*tls, endpoint_.host);
}

std::expected<void, Failure> Link::opened(Micros now) {
  const auto say = [&](Purpose purpose, std::initializer_list<std::string_view> words) {
    send(purpose, 0, {words.begin(), words.size()}, now);
    ++greetings_;
  };
  if (!greeting_->password.empty()) {
    if (greeting_->user.empty()) {
      say(Purpose::auth, {"AUTH", greeting_->password});
    } else {
      say(Purpose::auth, {"AUTH", greeting_->user, greeting_->password});
    }
  }
  if (greeting_->database != 0) {
    say(Purpose::select, {"SELECT", std::to_string(greeting_->database)});
  }
  // A connection alone proves nothing: whoever listens may never answer.
  if (greeting_->ask_role) {
    say(Purpose::greeting_role, {"ROLE"});
  } else {
    say(Purpose::ping, {"PING"});
  }
  return tls_ ? tls_->begin() : std::expected<void, Failure>();
}

std::expected<void, Failure> Link::received(std::string_view bytes, std::vector<Answered>& answered,
                                            Micros now) {
  heard_ = now;
  const auto protocol = [&](std::string message) {
    return std::unexpected(
        Failure{.type = ErrorType::protocol,
                .maybe_executed = true,
                .message = fmt::format("{} sent no reply: {}", to_string(endpoint_), message)});
  };
  std::string clear;
  if (tls_) {
    if (auto read = tls_->received(bytes, clear); !read) return read;
    bytes = clear;
  }
  reader_.feed(bytes);
  for (;;) {
    auto reply = reader_.next();
    if (!reply) return protocol(std::move(reply.error()));
    if (!*reply) return {};
    if (sent_.empty()) return protocol("nothing was asked");
    const Sent sent = sent_.front();
    sent_.pop_front();
    if (!is_greeting(sent.purpose)) {
      answered.push_back({sent, std::move(**reply)});
    } else if (auto held = greeted(sent, **reply); !held) {
      return held;
    }
  }
}

std::expected<void, Failure> Link::greeted(const Sent& sent, const Reply& reply) {
  if (reply.kind == Reply::Kind::error) {
    const ErrorType type =
        sent.purpose == Purpose::auth ? ErrorType::auth : meaning_of(reply.text).type;
    // What stands behind AUTH might hold what we sent.
    return std::unexpected(Failure{
        .type = type,
        .message =
            fmt::format("{} refuses us: {}", to_string(endpoint_),
                        sent.purpose == Purpose::auth
                            ? reply.text.substr(0, reply.text.find(' ')) + " (user or password)"
                            : quoted(reply.text))});
  }
  if (sent.purpose == Purpose::greeting_role) {
    const bool array = reply.kind == Reply::Kind::array && !reply.elements.empty();
    if (!array || reply.elements[0].text != "master") {
      return std::unexpected(
          Failure{.type = ErrorType::readonly,
                  .message = fmt::format("{} is no master", to_string(endpoint_))});
    }
  }
  if (--greetings_ == 0) ready_ = true;
  return {};
}

void Link::send(Purpose purpose, std::uint64_t call, std::span<const std::string_view> words,
                Micros now) {
  append_command(words, out_);
  sent_.push_back({purpose, call, now});
}

std::expected<std::string, Failure> Link::take_out() {
  std::string out;
  if (!tls_) {
    out.swap(out_);
    return out;
  }
  if (auto sealed = tls_->send(out_, out); !sealed) return std::unexpected(sealed.error());
  return out;
}

void Link::forget(std::uint64_t call) {
  for (Sent& sent : sent_) {
    if (sent.call == call) sent.call = 0;
  }
}

}  // namespace tidegate::redis
