// A real redis-server for a test, on a unix socket of its own.
#pragma once

#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace tidegate::redis {

struct FreeContext {
  void operator()(redisContext* context) const { ::redisFree(context); }
};
struct FreeReply {
  void operator()(redisReply* reply) const { ::freeReplyObject(reply); }
};
using Context = std::unique_ptr<redisContext, FreeContext>;
using RawReply = std::unique_ptr<redisReply, FreeReply>;

/// Started by the constructor, which waits until it answers, and ended by the destructor; it does
/// not outlive the test, whatever ends that. Keeps nothing on the disk.
class RedisServer {
 public:
  explicit RedisServer(std::vector<std::string> more = {}) : arguments_(std::move(more)) {
    std::string folder = std::filesystem::temp_directory_path() / "tidegate-redis-XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error("mkdtemp " + folder);
    folder_ = folder;
    start();
  }
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;
  ~RedisServer() {
    stop(SIGKILL);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  void start() {
    std::vector<std::string> words{"redis-server",
                                   "--port",
                                   "0",
                                   "--unixsocket",
                                   socket(),
                                   "--save",
                                   "",
                                   "--appendonly",
                                   "no",
                                   "--enable-debug-command",
                                   "yes",
                                   "--dir",
                                   folder_,
                                   "--logfile",
                                   folder_ + "/log"};
    words.insert(words.end(), arguments_.begin(), arguments_.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(1);
      ::execvp(argv[0], argv.data());
      ::_exit(127);
    }
    for (int attempt = 0; attempt < 1'000; ++attempt) {
      if (const Context context = try_to_connect()) {
        const RawReply pong(static_cast<redisReply*>(::redisCommand(context.get(), "PING")));
        if (pong && pong->type != REDIS_REPLY_ERROR) return;
        if (pong && std::string(pong->str).starts_with("NOAUTH")) return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    throw std::runtime_error("redis-server does not answer; see " + folder_ + "/log");
  }
  void stop(int signal) {
    if (pid_ <= 0) return;
    ::kill(pid_, signal);
    ::kill(pid_, SIGCONT);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
    ::unlink(socket().c_str());
  }
  void signal(int number) const { ::kill(pid_, number); }

  [[nodiscard]] std::string socket() const { return folder_ + "/socket"; }
  [[nodiscard]] const std::string& folder() const { return folder_; }

  [[nodiscard]] Context connect() const {
    Context context = try_to_connect();
    if (!context) throw std::runtime_error("no connection to " + socket());
    return context;
  }
  /// One command on a connection of its own.
  RawReply command(const std::vector<std::string>& words) const {
    const Context context = connect();
    return command(*context, words);
  }
  static RawReply command(redisContext& context, const std::vector<std::string>& words) {
    std::vector<const char*> texts;
    std::vector<std::size_t> sizes;
    for (const std::string& word : words) {
      texts.push_back(word.data());
      sizes.push_back(word.size());
    }
    auto* const reply = static_cast<redisReply*>(
        ::redisCommandArgv(&context, static_cast<int>(words.size()), texts.data(), sizes.data()));
    if (reply == nullptr) throw std::runtime_error(std::string("redis: ") + context.errstr);
    return RawReply(reply);
  }

 private:
  [[nodiscard]] Context try_to_connect() const {
    Context context(::redisConnectUnix(socket().c_str()));
    if (context && context->err != 0) context.reset();
    return context;
  }

  std::vector<std::string> arguments_;
  std::string folder_;
  pid_t pid_ = 0;
};

}  // namespace tidegate::redis
