#include "adapters/asio/connection.hpp"

#include <array>
#include <exception>
#include <memory_resource>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include "adapters/asio/forward_auth.hpp"
#include "adapters/asio/http_parser.hpp"
#include "adapters/asio/redis_decision.hpp"
#include "adapters/asio/strict.hpp"
#include "adapters/posix/background.hpp"
#include "tidegate/beast.hpp"

namespace tidegate::server {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr std::size_t kMaxHeadBytes = std::size_t{16} << 10;
/// Room for a usual request; the buffer grows to kMaxHeadBytes where one needs it.
constexpr std::size_t kBufferBytes = std::size_t{4} << 10;
constexpr std::size_t kArenaBytes = std::size_t{2} << 10;
/// What is kept of a large response's memory.
constexpr std::size_t kKeptBytes = std::size_t{16} << 10;
/// After a refusal so much is still read and thrown away: closing at once would make the kernel
/// take the response back.
constexpr std::size_t kMaxLingerBytes = std::size_t{1} << 20;
constexpr auto kLinger = std::chrono::seconds(2);
constexpr auto kStreamPause = std::chrono::milliseconds(200);

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable_t<Executor>{});

class Connection final : public Expiring {
 public:
  Connection(Socket socket, IpAddress peer, Port port, WorkerState& state)
      : socket_(std::move(socket)), peer_(peer), port_(port), state_(state) {
    if (state.limiter != nullptr) guard_.emplace(*state.limiter);
    buffer_.reserve(kBufferBytes);
    place = state_.connections.size();
    state_.connections.push_back(this);
  }

  ~Connection() override {
    state_.connections.back()->place = place;
    std::swap(state_.connections[place], state_.connections.back());
    state_.connections.pop_back();
  }

  Task run() {
    error_code error;
    socket_.non_blocking(true, error);
    if (error) co_return;
    do {
      if (!co_await read_head()) co_return;
    } while (co_await exchange());
  }

  void expire(std::chrono::steady_clock::time_point now) override {
    const bool crowded = waits_for_ == WaitsFor::request && state_.full();
    const auto sooner =
        crowded ? state_.limits.idle - state_.limits.idle_when_full : std::chrono::seconds(0);
    if (now + sooner >= deadline_) cancel();
  }

  void end_if_idle() override {
    if (waits_for_ == WaitsFor::request || waits_for_ == WaitsFor::head) cancel();
  }

 private:
  enum class WaitsFor : std::uint8_t { request, head, body, client, nothing };
  enum class Body : std::uint8_t { complete, too_large, malformed, late, gone };

  void wait_for(WaitsFor what, std::chrono::seconds at_most) {
    waits_for_ = what;
    deadline_ = state_.now + at_most;
  }

  void cancel() {
    error_code ignored;
    socket_.cancel(ignored);
  }

  /// The room behind what the buffer holds, which doubles when there is none.
  asio::mutable_buffer room() {
    if (buffer_.size() == buffer_.capacity()) buffer_.reserve(2 * buffer_.capacity());
    return buffer_.prepare(buffer_.capacity() - buffer_.size());
  }

  std::string_view buffered() const {
    return {static_cast<const char*>(buffer_.data().data()), buffer_.size()};
  }

  /// The header at the beginning of the buffer, once it is there with its empty line.
  std::optional<std::string_view> head() {
    while (buffered().starts_with("\r\n")) buffer_.consume(2);  // RFC 9112, 2.2
    const std::string_view text = buffered();
    const auto end = text.find("\r\n\r\n", searched_);
    if (end == std::string_view::npos) {
      searched_ = text.size() < 3 ? 0 : text.size() - 3;
      return std::nullopt;
    }
    return text.substr(0, end + 4);
  }

  /// Reads until the buffer begins with a whole header. False: there will be none.
  asio::awaitable<bool, Executor> read_head() {
    searched_ = 0;
    fields_.clear();
    wait_for(WaitsFor::request, state_.limits.idle);
    while (!head()) {
      if (buffer_.size() >= kMaxHeadBytes) {
        co_await refuse({431, "the header is too large"});
        co_return false;
      }
      if (const auto refusal = refuse_beginning(buffered())) {
        co_await refuse(*refusal);
        co_return false;
      }
      if (buffer_.size() > 0 && waits_for_ == WaitsFor::request) {
        wait_for(WaitsFor::head, state_.limits.head);
      }
      if (state_.stopping) {
        if (waits_for_ == WaitsFor::head) co_await refuse({503, "the server is stopping"});
        co_return false;
      }
      const auto [error, bytes] = co_await socket_.async_read_some(room(), kAwait);
      if (error == asio::error::operation_aborted && state_.stopping) continue;
      if (error == asio::error::operation_aborted && waits_for_ == WaitsFor::head) {
        co_await refuse({408, "the header took too long"});
      }
      if (error) co_return false;
      buffer_.commit(bytes);
    }
    waits_for_ = WaitsFor::nothing;
    co_return true;
  }

  /// Parses the header, decides, answers. True: the connection goes on.
  asio::awaitable<bool, Executor> exchange() {
    if (const auto refusal = parse_head()) {
      co_await refuse(*refusal);
      co_return false;
    }
    const auto& request = parser_->get();
    const bool asks_first = !parser_->is_done() && request.count(http::field::expect) != 0;
    const Route route = state_.service.route(port_, request.target());
    // What an operator sends is read before it can be answered, and only if he has the token.
    std::string body;
    const bool authorised =
        needs_token(route) && state_.admin.authorise(FieldLines(request), peer_, state_.now);
    if (authorised) {
      parser_->get().body() = {.limit = Admin::kMaxBodyBytes, .kept = &body};
      if (!co_await take_body(asks_first)) co_return false;
    }

    std::optional<Admin::Reloaded> reloaded;
    if (authorised && state_.admin.may_reload(route, request.method_string())) {
      co_await behind([&] { reloaded = state_.limiter->reload(); },
                      [&](const std::string& why) {
                        reloaded = std::unexpected(std::vector{Fault{"", 0, 0, "", why}});
                      });
    }
    std::optional<ResetRequest> reset;
    Admin::Forgotten forgotten;
    if (authorised && (reset = state_.admin.wanted_reset(route, request.method_string(), body))) {
      co_await behind([&] { forgotten = Admin::forget(*state_.limiter, *reset); },
                      [&](const std::string& why) { forgotten = std::unexpected(Error{why}); });
    }

    bool decided = false;
    if (state_.redis != nullptr && guard_) co_await decide_ahead(route, decided);

    // The decision and the text of an answer are the worker's, not the connection's: nothing may
    // be awaited before the response is written down.
    const bool body_follows = !parser_->is_done();
    const Answer answer = reloaded ? Admin::answer_reload(*reloaded, state_.scratch)
                          : reset  ? state_.admin.answer_reset(*reset, forgotten, state_.scratch)
                                   : decide(route, authorised, body, decided);
    const bool refused = answer.status == 401 || answer.status == 403 || answer.status == 429 ||
                         answer.status == 503;
    // A body that was not invited need not come.
    const bool unasked = body_follows && asks_first && refused;
    const Envelope envelope{.date = state_.date,
                            .fields = fields_,
                            .keep_alive = parser_->keep_alive() && !state_.stopping && !unasked,
                            .http_1_0 = request.version() == 10,
                            .head_only = request.method() == http::verb::head};
    const bool streams = answer.stream && !envelope.head_only;
    const bool goes_on = envelope.keep_alive && !(answer.stream && envelope.http_1_0);
    const bool http_1_0 = envelope.http_1_0;
    out_.clear();
    append_response(answer, envelope, out_);

    if (body_follows && !unasked && !co_await take_body(asks_first)) co_return false;
    if (!co_await write(out_)) co_return false;
    if (out_.capacity() > kKeptBytes) std::string().swap(out_);
    if (streams && !co_await write_stream(http_1_0)) co_return false;
    if (unasked) co_await linger();
    co_return goes_on;
  }

  /// Has something done on another thread, while this one goes on with other connections.
  template <class Work, class Failed>
  Task behind(Work work, Failed failed) {
    asio::basic_waitable_timer<std::chrono::steady_clock,
                               asio::wait_traits<std::chrono::steady_clock>, Executor>
        done(socket_.get_executor(), std::chrono::steady_clock::time_point::max());
    std::thread thread = posix::run_behind([&] {
      try {
        work();
      } catch (const std::exception& error) {
        failed(error.what());
      }
      asio::post(done.get_executor(), [&done] { done.cancel(); });
    });
    co_await done.async_wait(kAwait);
    thread.join();
  }

  std::optional<Refusal> parse_head() {
    const std::string_view text = *head();
    if (const auto refusal = refuse_lines(text)) return refusal;
    parser_.reset();
    arena_.release();
    parser_.emplace(std::piecewise_construct, std::make_tuple(),
                    std::make_tuple(std::pmr::polymorphic_allocator<char>(&arena_)));
    parser_->header_limit(kMaxHeadBytes);
    parser_->body_limit(boost::none);  // BoundedBody has one
    error_code error;
    const std::size_t used = parser_->put(asio::buffer(text), error);
    if (error) return refusal_of(error);
    if (!parser_->is_header_done()) return Refusal{400, "this is no HTTP request"};
    buffer_.consume(used);
    return refuse_framing(framing_of(parser_->get()));
  }

  /// Has the request decided, writes the fields of the decision, and says what to answer.
  /// `decided`: the decision is there.
  Answer decide(Route route, bool authorised, std::string_view body, bool decided) {
    const auto& request = parser_->get();
    const std::string_view target = request.target();
    const std::string_view method = request.method_string();
    if (is_admin(route)) {
      return state_.admin.answer(route, method, authorised, body, state_.scratch);
    }
    if (guard_ && route == Route::auth) return decide_asked(method, target, decided);
    if (guard_ && state_.service.guarded(port_, route)) {
      const bool admitted =
          decided ? state_.decision.admitted() : guard_->admit(request, peer_, state_.decision);
      write_fields();
      write_cors(route);
      if (!admitted) return rejection(state_.decision.status());
    } else {
      write_cors(route);
    }
    return state_.service.answer(route, method, target, state_.scratch);
  }

  /// The same for a proxy that asks about another request.
  Answer decide_asked(std::string_view method, std::string_view target, bool decided) {
    const FieldLines lines(parser_->get());
    const auto deny = read_deny(target);
    if (!deny) return error_answer({400, deny.error()});
    const auto asked = read_asked(lines, method);
    if (!asked) return error_answer({400, asked.error()});
    warn_of_untrusted_proxy();
    if (!decided) state_.limiter->decide(request_of(*asked, lines), state_.decision);
    write_fields();
    if (state_.decision.admitted()) return {.content_type = ""};
    return rejection(deny->value_or(state_.decision.status()));
  }

  [[nodiscard]] Request request_of(const Asked& asked, const HeaderLines& lines) const {
    return {.peer = peer_,
            .method = asked.method,
            .target = asked.target,
            .other_target = asked.other_target,
            .headers = &lines};
  }

  /// Has a request decided by Redis, if it needs a decision, while other connections go on.
  Task decide_ahead(Route route, bool& decided) {
    const auto& request = parser_->get();
    const FieldLines lines(request);
    Request wanted{.peer = peer_,
                   .method = request.method_string(),
                   .target = request.target(),
                   .headers = &lines};
    if (route == Route::auth) {
      const auto asked = read_asked(lines, request.method_string());
      if (!asked || !read_deny(request.target())) co_return;  // answered with what is wrong with it
      wanted = request_of(*asked, lines);
    } else if (is_admin(route) || !state_.service.guarded(port_, route)) {
      co_return;
    }
    if (!redis_) redis_ = std::make_unique<Redis>(socket_.get_executor());
    co_await redis_->decision.take(*state_.redis, wanted, redis_->out);
    std::swap(state_.decision, redis_->out);
    decided = true;
  }

  /// Whoever asks is the client, unless proxies are trusted: then all clients are one.
  void warn_of_untrusted_proxy() {
    if (state_.warned_of_proxies) return;
    state_.warned_of_proxies = true;
    const auto config = state_.limiter->config();
    const auto& known = config->client_identification;
    if (known.trusted_proxy_depth != 0 || !known.trusted_proxies.empty()) return;
    state_.limiter->warn_identity(
        "untrusted_proxy",
        "a proxy asks at /auth, and no proxy is trusted: all its clients count as one; set "
        "trusted_proxy_depth or trusted_proxies under [rate_limiting.client_identification]");
  }

  void write_fields() {
    guard_->add_fields(state_.decision, [this](std::string_view name, std::string_view value) {
      append_field(name, value, fields_);
    });
  }

  /// What lets pages of other origins use the demonstration, refusals included.
  void write_cors(Route route) {
    const auto& request = parser_->get();
    if (!Service::open_to_pages(route) || request.count(http::field::origin) == 0) return;
    const bool preflight = request.method() == http::verb::options &&
                           request.count(http::field::access_control_request_method) != 0;
    const std::string_view exposed =
        fields_.empty() ? "" : exposed_field_names(state_.limiter->render_options());
    Service::append_cors(route, preflight, exposed, fields_);
  }

  /// Its Content-Type is among the fields of the decision.
  Answer rejection(unsigned status) {
    state_.scratch.clear();
    append_rejection_body(state_.decision, state_.scratch);
    return {.status = status, .content_type = "", .body = state_.scratch};
  }

  /// Reads the body to its end, inviting it if that is waited for. False: it was refused.
  asio::awaitable<bool, Executor> take_body(bool asks_first) {
    if (asks_first && buffer_.size() == 0 && !co_await write("HTTP/1.1 100 Continue\r\n\r\n")) {
      co_return false;
    }
    const Body body = co_await read_body();
    if (body == Body::too_large) co_await refuse({413, "the body is too large"});
    if (body == Body::malformed) co_await refuse({400, "the body is no chunked body"});
    if (body == Body::late) co_await refuse({408, "the body took too long"});
    co_return body == Body::complete;
  }

  asio::awaitable<Body, Executor> read_body() {
    if (parser_->content_length().value_or(0) > parser_->get().body().limit) {
      co_return Body::too_large;
    }
    wait_for(WaitsFor::body, state_.limits.body);
    while (!parser_->is_done()) {
      if (buffer_.size() > 0) {
        error_code error;
        buffer_.consume(parser_->put(buffer_.data(), error));
        if (error == http::error::body_limit) co_return Body::too_large;
        if (error && error != http::error::need_more) co_return Body::malformed;
        if (!error) continue;
        if (buffer_.size() >= kMaxHeadBytes) co_return Body::malformed;
      }
      const auto [error, bytes] = co_await socket_.async_read_some(room(), kAwait);
      if (error == asio::error::operation_aborted) co_return Body::late;
      if (error) co_return Body::gone;
      buffer_.commit(bytes);
    }
    co_return Body::complete;
  }

  asio::awaitable<bool, Executor> write(std::string_view text) {
    wait_for(WaitsFor::client, state_.limits.write);
    while (!text.empty()) {
      const auto [error, bytes] = co_await socket_.async_write_some(asio::buffer(text), kAwait);
      if (error) co_return false;
      text.remove_prefix(bytes);
    }
    co_return true;
  }

  asio::awaitable<bool, Executor> write_stream(bool http_1_0) {
    asio::basic_waitable_timer<std::chrono::steady_clock,
                               asio::wait_traits<std::chrono::steady_clock>, Executor>
        pause(socket_.get_executor());
    std::string piece;
    for (unsigned i = 1; i <= Service::kStreamPieces; ++i) {
      piece.clear();
      Service::append_stream_piece(i, piece);
      out_.clear();
      if (http_1_0) {
        out_ += piece;
      } else {
        append_chunk(piece, out_);
      }
      if (i == Service::kStreamPieces && !http_1_0) append_chunk("", out_);
      if (!co_await write(out_)) co_return false;
      if (i == Service::kStreamPieces) break;
      pause.expires_after(kStreamPause);
      co_await pause.async_wait(kAwait);
    }
    co_return true;
  }

  Answer error_answer(const Refusal& refusal) {
    state_.scratch = R"({"error":")";
    state_.scratch += error_word(refusal.status);
    state_.scratch += R"(","message":")";
    state_.scratch += refusal.reason;
    state_.scratch += "\"}";
    // A refusal of the limiter says itself what its body is.
    const bool typed = fields_.find("Content-Type: ") != std::string::npos;
    return {.status = refusal.status,
            .content_type = typed ? "" : "application/json",
            .body = state_.scratch};
  }

  /// Answers what has no decision, or whose body cannot be read, and ends the connection.
  Task refuse(Refusal refusal) {
    const Envelope envelope{.date = state_.date, .fields = fields_, .keep_alive = false};
    out_.clear();
    append_response(error_answer(refusal), envelope, out_);
    if (co_await write(out_) && !state_.stopping) co_await linger();
  }

  /// Reads what is still on its way and forgets it.
  Task linger() {
    error_code ignored;
    socket_.shutdown(asio::socket_base::shutdown_send, ignored);
    wait_for(WaitsFor::client, kLinger);
    buffer_.clear();
    for (std::size_t total = 0; total < kMaxLingerBytes;) {
      const auto [error, bytes] =
          co_await socket_.async_read_some(buffer_.prepare(buffer_.capacity()), kAwait);
      if (error) break;
      total += bytes;
    }
  }

  Socket socket_;
  IpAddress peer_;
  Port port_;
  WorkerState& state_;
  std::optional<RateLimitMiddleware> guard_;

  boost::beast::flat_buffer buffer_;
  std::size_t searched_ = 0;  ///< of the buffer, for the end of the header
  std::array<std::byte, kArenaBytes> arena_bytes_;
  std::pmr::monotonic_buffer_resource arena_{arena_bytes_.data(), arena_bytes_.size()};
  std::optional<Parser> parser_;
  struct Redis {
    explicit Redis(const Executor& executor) : decision(executor) {}
    RedisDecision decision;
    Decision out;
  };
  std::unique_ptr<Redis> redis_;  ///< null until the first decision that waits
  std::string fields_;            ///< of the decision, as lines
  std::string out_;

  WaitsFor waits_for_ = WaitsFor::nothing;
  std::chrono::steady_clock::time_point deadline_;
};

}  // namespace

Task serve_connection(Socket socket, IpAddress peer, Port port, WorkerState& state) {
  try {
    Connection connection(std::move(socket), peer, port, state);
    co_await connection.run();
  } catch (const std::exception& error) {
    // Out of memory, most likely: this connection ends, the others go on.
    if (state.limiter != nullptr) state.limiter->log_event("connection_failed", error.what());
  }
}

}  // namespace tidegate::server
