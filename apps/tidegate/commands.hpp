// The commands behind the command line. Each returns the exit code: 0 fine, 1 the answer is no.
// Results go to stdout, everything else to stderr.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "adapters/asio/load.hpp"
#include "adapters/asio/serve.hpp"
#include "tidegate/config.hpp"

namespace tidegate::command {

inline constexpr int kFine = 0;
inline constexpr int kNo = 1;
inline constexpr int kUsage = 2;

using ConfigPath = std::optional<std::string>;

/// Loads and prints warnings and faults to stderr. Nothing: there were faults.
[[nodiscard]] std::optional<LoadedConfig> load_or_complain(const ConfigPath& path);

int serve(const ConfigPath& config, const ServeOptions& options);

struct GatewayOptions {
  ConfigPath config;
  std::string upstream;                   ///< "http://127.0.0.1:9000"
  std::string listen = "127.0.0.1:8000";  ///< HOST:PORT or [v6]:PORT; port 0 takes a free one
  std::optional<std::string> ops_listen;  ///< where health, metrics and /admin are; absent: nowhere
  unsigned workers = 1;                   ///< at least 1
  std::string nginx;                      ///< the program; "" looks for it
  std::string module;                     ///< ours for it; "" looks for it
  bool print = false;                     ///< nginx's configuration, and does not run it
};
int gateway(GatewayOptions options);

int check(const ConfigPath& config);
int replay(const ConfigPath& config, const std::string& backend);

struct AccessLogOptions {
  std::string log;       ///< a file, or "-" for standard input
  ConfigPath compare;    ///< another configuration, to compare with
  std::size_t top = 20;  ///< how many clients are named
};
int replay_access_log(const ConfigPath& config, const AccessLogOptions& options);

struct ExplainOptions {
  std::string peer = "127.0.0.1";
  std::vector<std::string> headers;  ///< "Name: value"
  std::string method;
  std::string target;
};
int explain(const ConfigPath& config, const ExplainOptions& options);

struct ClientOptions {
  std::string client;  ///< as logs and metrics write it: "ip:203.0.113.7"; empty: all of a rule
  std::string rule;    ///< empty: all
  std::string tier = "anonymous";
};
int peek(const ConfigPath& config, const ClientOptions& options);
int reset(const ConfigPath& config, const ClientOptions& options);

/// Prints the keys that a client may have in Redis, one a line.
int key(const ConfigPath& config, const std::string& client);

int reload(const ConfigPath& config);

struct LoadReport {
  bool json = false;
  std::optional<std::size_t> expect_admitted;  ///< else the answer is no
};
int load(const LoadOptions& options, const LoadReport& report);

struct TopOptions {
  bool once = false;  ///< one text, also on a terminal
  /// Between two looks; absent: a second on a terminal, one look elsewhere.
  std::optional<std::chrono::milliseconds> interval;
};
int top(const ConfigPath& config, const TopOptions& options);

int segment_list();
int segment_remove(const std::string& name);

}  // namespace tidegate::command
