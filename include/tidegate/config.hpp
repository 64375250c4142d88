// The configuration as values: parsed, validated and with every default filled in.
//
//   auto loaded = tidegate::load_config("tidegate.toml");   // file, environment, defaults
//   if (!loaded) for (const auto& fault : loaded.error()) std::cerr << to_string(fault) << '\n';
//
// A RateLimitConfig that came out of parse_config or load_config is valid: no further check is
// needed. One built by hand goes through validate() first. All types are plain values; share them
// between threads as you share any const value.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidegate/error.hpp"

namespace tidegate {

enum class Algorithm : std::uint8_t {
  token_bucket,
  sliding_window,
  sliding_window_counter,
  fixed_window
};
enum class FailureMode : std::uint8_t { fail_open, fail_closed, local };
enum class BackendKind : std::uint8_t { memory, redis };
enum class RetryAfter : std::uint8_t { shortest, longest };
enum class LogLevel : std::uint8_t { debug, info, warning, error };
enum class Per : std::uint8_t { client, address, all };

[[nodiscard]] std::string_view to_string(Algorithm algorithm);
[[nodiscard]] std::string_view to_string(FailureMode mode);
[[nodiscard]] std::string_view to_string(BackendKind kind);

/// `limit` cost units per `window`. limit 0 to 10^9 (0: maintenance, rejects everything);
/// window 1 ms to 366 days.
struct WindowConfig {
  std::uint64_t limit = 100;
  std::chrono::microseconds window = std::chrono::seconds(60);
  std::optional<std::uint64_t> burst = {};  ///< token_bucket only: its capacity; absent: the limit
  friend bool operator==(const WindowConfig&, const WindowConfig&) = default;
};

/// What one rule enforces: all windows together. No window at all means "unlimited".
struct LimitConfig {
  Algorithm algorithm = Algorithm::sliding_window_counter;  ///< of every window here
  std::vector<WindowConfig> windows;                        ///< at most kMaxWindowsPerRule
  friend bool operator==(const LimitConfig&, const LimitConfig&) = default;
};
inline constexpr std::size_t kMaxWindowsPerRule = 8;

struct TierConfig {
  std::string name;
  LimitConfig limit;
};

struct EndpointConfig {
  std::string name;     ///< names the counters; default: methods, if given, and the pattern
  std::string pattern;  ///< "" matches nothing: of a rule that a program declares and names itself
  std::vector<std::string> methods;  ///< empty: all. GET includes HEAD
  LimitConfig limit;
  std::map<std::string, LimitConfig> tiers;
  std::uint64_t cost = 1;
  Per per = Per::client;
  std::int64_t priority = 0;
  bool shadow = false;
};

struct ExemptionConfig {
  enum class Type : std::uint8_t { ip, user_id, endpoint };
  Type type = Type::ip;
  std::string value;  ///< address or CIDR, user id, or endpoint pattern
};
[[nodiscard]] std::string_view to_string(ExemptionConfig::Type type);

struct MemoryConfig {
  std::uint64_t capacity = 1'000'000;  ///< entries held at once
  std::string segment = "tidegate";    ///< "" = private to this process and its children
  std::uint32_t mode = 0600;
  std::string group;
  std::uint64_t log_slots = 1'000'000;  ///< timestamps for sliding_window
};

struct SentinelConfig {
  std::string service_name = "mymaster";
  struct Address {
    std::string host;
    std::uint16_t port = 26379;
    friend bool operator==(const Address&, const Address&) = default;
  };
  std::vector<Address> sentinels;
  std::string username;
  std::string password_env;

  friend bool operator==(const SentinelConfig&, const SentinelConfig&) = default;
};

struct RedisConfig {
  enum class Topology : std::uint8_t { single, sentinel, cluster };
  std::string url;
  Topology topology = Topology::single;
  std::uint32_t pool_size = 10;
  std::chrono::microseconds connect_timeout = std::chrono::seconds(1);
  std::chrono::microseconds socket_timeout = std::chrono::seconds(5);
  std::chrono::microseconds decision_timeout = std::chrono::milliseconds(50);
  std::uint32_t circuit_breaker_threshold = 3;
  std::chrono::microseconds circuit_breaker_timeout = std::chrono::seconds(30);
  std::string key_prefix = "ratelimit";
  std::string hash_key_env;
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  bool verify = true;
  SentinelConfig sentinel;

  friend bool operator==(const RedisConfig&, const RedisConfig&) = default;
};
[[nodiscard]] std::string_view to_string(RedisConfig::Topology topology);

struct JwtConfig {
  std::vector<std::string> algorithms{"HS256"};
  std::string secret_env = "JWT_SECRET";
  std::string public_key_file;
  std::string jwks_file;
  std::string user_claim = "user_id";
  std::string tier_claim = "tier";
  std::string issuer;
  std::string audience;
  std::chrono::microseconds leeway = std::chrono::seconds(30);
  bool verify_signature = true;
  std::uint32_t max_failures_per_second = 10;
};

struct ClientIdentificationConfig {
  std::vector<std::string> identify{"jwt", "ip"};  ///< "jwt", "ip", "header:<name>"; tried in order
  std::uint32_t trusted_proxy_depth = 0;           ///< trusted hops, the socket peer included
  std::vector<std::string> trusted_proxies;        ///< addresses or CIDRs; excludes a depth
  std::uint32_t ipv6_prefix = 64;                  ///< 1 to 128 bits
  std::optional<JwtConfig> jwt;
};

struct ProgressivePenaltiesConfig {
  bool enabled = false;
  std::chrono::microseconds detection_window = std::chrono::hours(1);
  std::uint32_t violation_threshold = 3;
  std::vector<std::uint32_t> penalty_multipliers{1, 2, 4, 8};
};

struct RateLimitConfig {
  bool enabled = true;
  std::string name_space = "default";  ///< the key `namespace`
  LimitConfig default_limit{.algorithm = Algorithm::sliding_window_counter,
                            .windows = std::vector<WindowConfig>(1)};
  FailureMode failure_mode = FailureMode::fail_open;
  BackendKind backend = BackendKind::memory;
  bool shadow = false;
  bool x_ratelimit_headers = true;  ///< `headers` names "x-ratelimit"
  bool ietf_headers = false;        ///< `headers` names "ietf"
  RetryAfter retry_after = RetryAfter::shortest;
  std::vector<std::string> exempt_endpoints{"/health", "/metrics", "/docs", "/redoc",
                                            "/openapi.json"};
  std::string log = "stderr";
  LogLevel log_level = LogLevel::info;
  MemoryConfig memory;
  RedisConfig redis;
  ClientIdentificationConfig client_identification;
  std::vector<TierConfig> tiers;
  std::vector<EndpointConfig> endpoints;
  std::vector<ExemptionConfig> exemptions;
  ProgressivePenaltiesConfig progressive_penalties;
  std::string admin_token_env;      ///< [admin] token_env
  std::uint32_t top_clients = 100;  ///< [metrics] top_clients
};

struct LoadedConfig {
  RateLimitConfig config = {};
  std::vector<std::string> warnings = {};  ///< one line each
  std::string file = {};                   ///< what it was read from; "" when there was no file
  /// The file's table [rate_limiting] alone, as TOML, without what the environment laid over it: a
  /// parse_config of it in another process gives the same rules. Nothing: `config` was built by
  /// hand, and to_toml writes it.
  std::optional<std::string> text = {};
  /// The values of the variables that the configuration names, by their names. Never shown.
  std::map<std::string, std::string, std::less<>> secrets = {};
  /// The texts of the files with public keys that the configuration names, by their paths.
  std::map<std::string, std::string, std::less<>> key_files = {};
};

/// Environment variables by name, as handed in by whoever may read them.
using Environment = std::map<std::string, std::string, std::less<>>;

/// A longer configuration is refused unread.
inline constexpr std::size_t kMaxConfigBytes = std::size_t{2} << 20;

/// Reads a file with public keys that a configuration names. The error says why it cannot.
using FileReader = std::function<std::expected<std::string, Error>(const std::string& path)>;

/// Parses TOML text and lays the environment over it; secrets that the configuration names are
/// taken from it, files with keys from `read_file`, without which naming one is a fault. `file` is
/// only named in faults. Pure: reads no file and no environment of its own. Reports every fault at
/// once.
[[nodiscard]] std::expected<LoadedConfig, std::vector<Fault>> parse_config(
    std::string_view toml, std::string_view file, const Environment& environment,
    const FileReader& read_file = {});

/// A configuration built by hand as the text of a file, which parse_config reads as the same one
/// where no environment is laid over it. Precondition: it is valid.
[[nodiscard]] std::string to_toml(const RateLimitConfig& config);

/// The same checks for a configuration built by hand, whose values have no places: `file` is empty,
/// `key` is the path the value would have in a file. A LimitConfig with windows has its first one
/// under `limit`, `window` and `burst`, further ones under `windows`. Empty: it is valid.
[[nodiscard]] std::vector<Fault> validate(const RateLimitConfig& config);

/// The path given, else RATE_LIMIT_CONFIG, else ./tidegate.toml, else ./config.toml, else the
/// defaults alone; with this process's environment, and the files with keys that it names. A
/// directory, an unreadable file or one above 2 MiB is a fault.
[[nodiscard]] std::expected<LoadedConfig, std::vector<Fault>> load_config(
    const std::optional<std::string>& path = std::nullopt);

}  // namespace tidegate
