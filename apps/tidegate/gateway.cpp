// gateway: nginx with our module in front of an API. Writes nginx's configuration into a folder of
// its own, runs nginx on it, hands signals on, and leaves nothing behind.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "adapters/asio/listening.hpp"
#include "apps/tidegate/commands.hpp"

namespace tidegate::command {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNone = std::string_view::npos;
constexpr std::string_view kModule = "ngx_http_tidegate_module.so";

int complain(int code, std::string_view message) {
  fmt::print(stderr, "tidegate gateway: {}\n", message);
  return code;
}

struct Upstream {
  std::string scheme;
  std::string authority;  ///< host and port, as nginx wants it
};

bool is_host(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    return !host.empty() && host.find_first_not_of("0123456789abcdefABCDEF:.") == kNone;
  }
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  return !host.empty() && host.find_first_not_of(kAllowed) == kNone;
}

bool is_port(std::string_view port) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  return error == std::errc() && end == port.data() + port.size() && number > 0 && number < 65'536;
}

/// http://host[:port] or https://host[:port]; a path would have to be put before every target.
std::optional<Upstream> parse_upstream(std::string_view url) {
  const std::size_t colon = url.find("://");
  if (colon == kNone) return std::nullopt;
  const std::string_view scheme = url.substr(0, colon);
  if (scheme != "http" && scheme != "https") return std::nullopt;
  std::string_view authority = url.substr(colon + 3);
  if (authority.ends_with('/')) authority.remove_suffix(1);
  const std::size_t port = authority.rfind(':');
  const bool has_port = port != kNone && authority.find(']', port) == kNone;
  if (!is_host(authority.substr(0, has_port ? port : kNone))) return std::nullopt;
  if (has_port && !is_port(authority.substr(port + 1))) return std::nullopt;
  return Upstream{std::string(scheme),
                  has_port ? std::string(authority)
                           : fmt::format("{}:{}", authority, scheme == "https" ? 443 : 80)};
}

/// An address to listen on, seen to be free: nginx would try for seconds, and say less.
struct Listen {
  std::string address;
  std::string url;
};

std::optional<Listen> see_that_free(std::string_view address, std::string_view option, int& code) {
  const auto listening = server::Listening::on(address, option);
  if (!listening) {
    code = complain(listening.error().usage ? kUsage : kNo, listening.error().error.message);
    return std::nullopt;
  }
  const std::string& url = listening->url();
  return Listen{
      fmt::format("{}{}", address.substr(0, address.rfind(':')), url.substr(url.rfind(':'))), url};
}

/// What is a string for nginx.
std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

/// Beside this command: in the tree that it was built in, else where it is installed.
std::optional<std::string> find_module() {
  std::error_code error;
  const fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& place :
       {folder / "../nginx", folder / "../lib/nginx/modules", fs::path("/usr/lib/nginx/modules")}) {
    if (fs::exists(place / kModule, error)) return fs::weakly_canonical(place / kModule).string();
  }
  return std::nullopt;
}

std::optional<std::string> find_nginx() {
  std::error_code error;
  for (const char* const place : {"/usr/sbin/nginx", "/usr/local/sbin/nginx",
                                  "/usr/local/nginx/sbin/nginx", "/usr/bin/nginx"}) {
    if (fs::exists(place, error)) return place;
  }
  return std::nullopt;
}

/// As many as there may be descriptors for: two for a request, and some for nginx itself.
rlim_t most_connections() {
  constexpr rlim_t kEnough = 32'768;
  constexpr rlim_t kForItself = 64;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1'024;
  limit.rlim_cur = std::min(limit.rlim_max, kEnough + kForItself);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur > 2 * kForItself ? limit.rlim_cur - kForItself : limit.rlim_cur;
}

std::string configuration(const GatewayOptions& options, const Upstream& upstream,
                          const Listen& listen, const std::optional<Listen>& ops) {
  std::string text = fmt::format(
      "load_module {};\n"
      "daemon off;\n"
      "worker_processes {};\n"
      "pid nginx.pid;\n"
      "error_log stderr notice;\n"
      "events {{ worker_connections {}; }}\n"
      "http {{\n"
      "  access_log off;\n"
      "  server_tokens off;\n",
      in_quotes(options.module), options.workers, most_connections());
  if (::geteuid() == 0) text.insert(0, "user root;\n");  // whoever calls this is who serves
  for (const char* const folder : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
    text += fmt::format("  {}_temp_path {};\n", folder, folder);
  }
  if (options.config) text += fmt::format("  tidegate_config {};\n", in_quotes(*options.config));
  text += fmt::format(
      "  map $http_upgrade $connection_upgrade {{ default upgrade; \"\" \"\"; }}\n"
      "  upstream api {{ server {}; keepalive 256; }}\n"
      "  server {{\n"
      "    listen {} backlog=4096;\n"
      "    client_max_body_size 0;\n"
      "    tidegate on;\n"
      "    location / {{\n"
      "      proxy_pass {}://api;\n"
      "      proxy_http_version 1.1;\n"
      "      proxy_request_buffering off;\n"
      "      proxy_buffering off;\n"
      "      proxy_ssl_server_name on;\n"
      "      proxy_ssl_name {};\n"
      "      proxy_set_header Host $http_host;\n"
      "      proxy_set_header Connection $connection_upgrade;\n"
      "      proxy_set_header Upgrade $http_upgrade;\n"
      "      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n"
      "      proxy_set_header X-Forwarded-Proto $scheme;\n"
      "    }}\n"
      "  }}\n",
      upstream.authority, listen.address, upstream.scheme,
      upstream.authority.substr(0, upstream.authority.rfind(':')));
  if (ops) {
    text += fmt::format("  server {{ listen {}; location / {{ tidegate_operations; }} }}\n",
                        ops->address);
  }
  return text + "}\n";
}

/// A folder with nginx's configuration, gone with this.
class Folder {
 public:
  explicit Folder(std::string_view text) {
    std::string path = fs::temp_directory_path() / "tidegate-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) {
      throw std::system_error(errno, std::system_category(), "no folder for nginx's configuration");
    }
    path_ = path;
    std::ofstream(path_ / "nginx.conf") << text;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

constexpr std::array kHandedOn{SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGUSR1};
volatile std::sig_atomic_t nginx_pid = 0;

extern "C" void hand_on(int signal) {
  const int saved = errno;
  // What ends a command ends nginx as it ends best: with those served who are there.
  if (nginx_pid != 0) ::kill(nginx_pid, signal == SIGHUP || signal == SIGUSR1 ? signal : SIGQUIT);
  errno = saved;
}

int run_nginx(const std::string& nginx, const fs::path& folder) {
  struct sigaction action{};
  action.sa_handler = &hand_on;
  for (const int signal : kHandedOn) ::sigaction(signal, &action, nullptr);
  // The handlers wait until there is somebody to hand signals on to.
  sigset_t held;
  sigset_t before;
  ::sigfillset(&held);
  ::pthread_sigmask(SIG_SETMASK, &held, &before);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return complain(kNo, std::system_category().message(errno));
  if (child == 0) {
    ::setpgid(0, 0);  // Ctrl-C comes to us alone
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    // What comes before nginx has handlers of its own ends it; ours would swallow it here.
    action.sa_handler = SIG_DFL;
    for (const int signal : kHandedOn) ::sigaction(signal, &action, nullptr);
    if (::getppid() != parent) ::_exit(kNo);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ::execl(nginx.c_str(), "nginx", "-p", folder.c_str(), "-c", "nginx.conf", "-e", "stderr",
            static_cast<char*>(nullptr));
    fmt::print(stderr, "tidegate gateway: {}: {}\n", nginx, std::system_category().message(errno));
    ::_exit(kNo);
  }
  nginx_pid = child;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  nginx_pid = 0;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? kFine : kNo;
}

}  // namespace

int gateway(GatewayOptions options) {
  const auto upstream = parse_upstream(options.upstream);
  if (!upstream) {
    return complain(kUsage,
                    fmt::format("--upstream: found {}, allowed: http:// or https://, a host, "
                                "and a port, as http://127.0.0.1:9000",
                                options.upstream));
  }
  const auto loaded = load_or_complain(options.config);
  if (!loaded) return kNo;
  if (!loaded->file.empty()) options.config = fs::absolute(loaded->file).string();
  if (options.module.empty()) options.module = find_module().value_or("");
  if (options.nginx.empty()) options.nginx = find_nginx().value_or("");
  if (options.module.empty()) {
    return complain(kNo, fmt::format("{} is not there: build it with -DTIDEGATE_NGINX=ON, which "
                                     "needs nginx's headers, or name it with --module",
                                     kModule));
  }
  if (options.nginx.empty())
    return complain(kNo, "nginx is not there: install it, or name it with --nginx");

  int code = kFine;
  const auto listen = see_that_free(options.listen, "--listen", code);
  if (!listen) return code;
  std::optional<Listen> ops;
  if (options.ops_listen) {
    ops = see_that_free(*options.ops_listen, "--ops-listen", code);
    if (!ops) return code;
  }
  const std::string text = configuration(options, *upstream, *listen, ops);
  if (options.print) {
    fmt::print("{}", text);
    return kFine;
  }
  const Folder folder(text);
  fmt::print("{} limits {}\n  curl -i {}/\n", listen->url, options.upstream, listen->url);
  if (ops) fmt::print("  curl -s {}/metrics\n", ops->url);
  std::fflush(stdout);
  return run_nginx(options.nginx, folder.path());
}

}  // namespace tidegate::command
