// One connection to a server: what is said first, and then commands and replies in order.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/time.hpp"
#include "store/redis/failure.hpp"
#include "store/redis/network.hpp"
#include "store/redis/reply.hpp"
#include "store/redis/resp.hpp"
#include "store/redis/tls.hpp"

namespace tidegate::redis {

/// How we introduce ourselves.
struct Greeting {
  std::string user;
  std::string password;  ///< empty: no AUTH
  std::uint32_t database = 0;
  bool ask_role = false;  ///< only a master will do
};

/// What a command was sent for.
enum class Purpose : std::uint8_t {
  auth,
  select,
  ping,
  greeting_role,
  call,
  asking,
  role,
  slots,
  master_address,
  sentinels,
  replicas_wanted
};

class Link {
 public:
  struct Sent {
    Purpose purpose = Purpose::call;
    std::uint64_t call = 0;  ///< 0: nobody waits for it any more
    Micros at = 0;
  };
  struct Answered {
    Sent sent;
    Reply reply;
  };

  /// `tls` null: in the clear.
  Link(LinkId id, Endpoint to, const Greeting& greeting, const TlsContext* tls, Micros now);

  /// There is a connection: begins to talk.
  [[nodiscard]] std::expected<void, Failure> opened(Micros now);
  /// Takes bytes and appends the replies that they complete, those to the greeting left out. On an
  /// error the link is of no use any more; replies before it are there.
  [[nodiscard]] std::expected<void, Failure> received(std::string_view bytes,
                                                      std::vector<Answered>& answered, Micros now);
  /// Queues a command; take_out() has it.
  void send(Purpose purpose, std::uint64_t call, std::span<const std::string_view> words,
            Micros now);
  /// The bytes to be written, if there are any.
  [[nodiscard]] std::expected<std::string, Failure> take_out();

  [[nodiscard]] LinkId id() const { return id_; }
  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  [[nodiscard]] bool ready() const { return ready_; }
  [[nodiscard]] Micros began() const { return began_; }
  [[nodiscard]] std::size_t unanswered() const { return sent_.size(); }
  /// Since when nothing was heard while a command waited; Network::kNever: none does.
  [[nodiscard]] Micros waits_since() const {
    return sent_.empty() ? Network::kNever : std::max(sent_.front().at, heard_);
  }
  [[nodiscard]] const std::deque<Sent>& sent() const { return sent_; }
  /// Nobody waits for a call any more; its reply will be passed over.
  void forget(std::uint64_t call);

 private:
  std::expected<void, Failure> greeted(const Sent& sent, const Reply& reply);

  LinkId id_;
  Endpoint endpoint_;
  const Greeting* greeting_;
  std::optional<TlsFilter> tls_;
  Micros began_;
  Micros heard_ = 0;  ///< when bytes came last
  bool ready_ = false;
  std::size_t greetings_ = 0;  ///< unanswered
  ReplyReader reader_;
  std::string out_;
  std::deque<Sent> sent_;
};

/// "host:port" or the path, for messages.
[[nodiscard]] std::string to_string(const Endpoint& endpoint);

/// What an error reply means that could not be dealt with.
struct ErrorMeaning {
  ErrorType type = ErrorType::protocol;
  bool server_unfit = false;  ///< it should not be asked any more: another one may be the master
};
[[nodiscard]] ErrorMeaning meaning_of(std::string_view error);

}  // namespace tidegate::redis
