// The parts of a client that its topologies share: calls, nodes with their links, deadlines. For
// the files of Client alone.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/redis_url.hpp"
#include "core/splitmix.hpp"
#include "store/redis/client.hpp"
#include "store/redis/link.hpp"

namespace tidegate::redis {

/// A server that answers calls, with the links to it.
struct Node {
  Endpoint endpoint;
  std::vector<std::unique_ptr<Link>> links;
  std::deque<std::uint64_t> queue;  ///< calls that wait to be sent
  unsigned failures = 0;            ///< to connect, in a row
  Micros next_try = 0;              ///< not to connect before
};

/// A call on its way.
struct Pending {
  Call call;
  Micros deadline = 0;
  Node* node = nullptr;  ///< null: nobody knows yet who has its slot
  LinkId link = 0;       ///< 0: not sent
  Micros sent_at = 0;
  Micros not_before = 0;  ///< it was told to try again later
  unsigned redirections = 0;
  bool whole = false;   ///< send the script itself
  bool asking = false;  ///< send ASKING before it
};

class Router;

/// One thread. Whatever it calls its listener for comes last in a turn or from a list of its own,
/// so that a listener may call it again.
class Core {
 public:
  Core(ClientOptions options, Network& network, Listener& listener);
  ~Core();

  void connect(Micros now);
  void call(std::uint64_t number, Call call, Micros deadline, Micros now);
  void cancel(std::uint64_t number);
  void flush(Micros now);
  void on_open(LinkId id, Micros now);
  void on_bytes(LinkId id, std::string_view bytes, Micros now);
  void on_close(LinkId id, ErrorType type, std::string_view message, Micros now);
  void on_time(Micros now);
  void shut_down(Micros now);
  [[nodiscard]] std::vector<Endpoint> masters() const;
  [[nodiscard]] std::uint64_t server_of(Slot slot) const;

  // What routers use.
  Node& node_at(const Endpoint& endpoint);
  /// Closes its links and forgets it; its calls wait for a node again.
  void drop_node(Node& node, const Failure& why, Micros now);
  /// Opens a link where there is none, unless it is too early.
  void connect_to(Node& node, Micros now);
  /// A link to somebody who answers no calls (a sentinel): the router hears of it.
  Link& open_aside(const Endpoint& endpoint, const Greeting& greeting, Micros now);
  void close_aside(Link& link);
  /// All calls without a node ask the router again.
  void route_waiting(Micros now);
  void fail_waiting(const Failure& failure, Micros now);
  /// What an error says of the server that answered it: it may be dropped.
  void note_error(Node& node, const std::string& error, Micros now);
  [[nodiscard]] Micros random_below(Micros end) { return random_.below(end); }
  /// How long to wait after one more failure to connect, of so many in a row.
  [[nodiscard]] Micros backoff(unsigned& failures);

  ClientOptions options;
  RedisUrl url;
  Greeting greeting;
  Network& network;
  Listener& listener;
  std::vector<std::unique_ptr<Node>> nodes;
  bool wanted = false;  ///< somebody has called: links are kept up

 private:
  friend class Client;
  struct Place {
    Node* node = nullptr;  ///< null: aside
    Link* link = nullptr;
  };

  void route(std::uint64_t number, Pending& pending, Micros now);
  static void send(std::uint64_t number, Pending& pending, Link& link, Micros now);
  void send_queue(Node& node, Micros now);
  [[nodiscard]] Link* link_for(Node& node, Micros now);
  void open_link(Node& node, Micros now);
  /// A link is of no use any more, or has ended by itself: the router hears of it.
  void end_link(LinkId id, const Failure& why, Micros now);
  /// When a link is to be ended if nothing is heard on it; kNever: not at all.
  [[nodiscard]] Micros patience_with(const Link& link) const;
  void end_late_calls(Micros now);
  void end_late_links(Micros now);
  void write(Link& link, Micros now);
  void answer(Node& node, Link& link, Link::Answered& answered, Micros now);
  void refused(std::uint64_t number, Pending& pending, Node& node, const std::string& error,
               Micros now);
  /// True: an error sends a call elsewhere.
  bool redirected(Pending& pending, Node& node, const std::string& error, Micros now);
  void lost(Node& node, LinkId id, const Failure& why, Micros now);
  void fail(std::uint64_t number, const Failure& failure, Micros now);
  void try_again(std::uint64_t number, Pending& pending, Micros now);
  void arm(Micros now);

  std::unique_ptr<Router> router_;
  std::unordered_map<LinkId, Place> places_;
  std::vector<std::unique_ptr<Link>> aside_;
  std::unordered_map<std::uint64_t, Pending> calls_;
  std::set<std::pair<Micros, std::uint64_t>> deadlines_;
  std::deque<std::uint64_t> unrouted_;
  std::set<std::pair<Micros, std::uint64_t>> later_;
  LinkId last_link_ = 0;
  SplitMix random_;
  Micros armed_ = Network::kNever;
  bool shut_ = false;
};

/// Who a call goes to.
class Router {
 public:
  virtual ~Router() = default;
  virtual void begin(Micros now) = 0;
  /// Null: nobody knows yet.
  virtual Node* node_for(const Call& call, Micros now) = 0;
  virtual void on_ready(Node&, Link&, Micros) {}
  /// A link has ended, or never came to be. The node may have none left.
  virtual void on_lost(Node&, const Failure&, Micros) {}
  /// A reply to a command of the router's on a link of a node.
  virtual void on_reply(Node&, Link&, const Link::Answered&, Micros) {}
  virtual void on_aside_ready(Link&, Micros) {}
  virtual void on_aside_lost(LinkId, Micros) {}
  virtual void on_aside_reply(Link&, const Link::Answered&, Micros) {}
  /// A server should not be asked any more (READONLY and its like).
  virtual void on_unfit(Node&, const Failure&, Micros) {}
  /// An error that sends a call elsewhere. True: `pending` says where or when, and it is sent
  /// again.
  virtual bool redirect(Pending&, Node&, std::string_view, Micros) { return false; }
  /// When on_time wants to be called; kNever: not at all.
  [[nodiscard]] virtual Micros next_time() const { return Network::kNever; }
  virtual void on_time(Micros) {}
  /// As Client::server_of().
  [[nodiscard]] virtual std::uint64_t server_of(Slot) const { return 0; }
  [[nodiscard]] virtual std::uint64_t server_number(const Node&) const { return 0; }
  /// The servers that hold counts, as far as they are known.
  [[nodiscard]] virtual std::vector<Endpoint> masters() const = 0;
};

std::unique_ptr<Router> make_single(Core& core);
std::unique_ptr<Router> make_sentinel(Core& core);
std::unique_ptr<Router> make_cluster(Core& core);

}  // namespace tidegate::redis
