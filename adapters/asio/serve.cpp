#include "adapters/asio/serve.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <cstdio>
#include <exception>
#include <string_view>
#include <tuple>

#include "adapters/asio/listening.hpp"
#include "adapters/asio/supervisor.hpp"
#include "adapters/asio/worker.hpp"

namespace tidegate {
namespace {

using server::Listening;

/// What to try, for whoever has just started the server.
void greet(const ServeOptions& options, const std::string& url, const std::string& ops_url,
           bool has_admin) {
  fmt::print("tidegate serves on {} with {} worker{}\n", url, options.workers,
             options.workers == 1 ? "" : "s");
  if (options.demo) {
    fmt::print(
        "\n"
        "Try:\n"
        "  curl -i {0}/api/v1/hello\n"
        "  curl -s -o /dev/null -w '%{{http_code}}\\n' '{0}/api/v1/hello?n=[1-101]' | sort | uniq "
        "-c\n"
        "  curl -i {0}/api/v1/search/tide\n"
        "\n",
        url);
  }
  fmt::print("Metrics: {0}/metrics   Health: {0}/health\n", ops_url);
  if (has_admin) fmt::print("Admin: {}/admin/rate-limit/\n", ops_url);
  std::fflush(stdout);
}

int complain(const Listening::Failure& failure) {
  fmt::print(stderr, "{}\n", failure.error.message);
  return failure.usage ? 2 : 1;
}

}  // namespace

int serve(const ServeOptions& options, Limiter* limiter) {
  // Whoever reads our output may go away; that is no reason to end.
  ::signal(SIGPIPE, SIG_IGN);

  const auto main = Listening::on(options.listen, "--listen");
  if (!main) return complain(main.error());
  std::optional<Listening> ops;
  if (options.ops_listen) {
    auto opened = Listening::on(*options.ops_listen, "--ops-listen");
    if (!opened) return complain(opened.error());
    ops = std::move(*opened);
  }
  const server::WorkerPorts ports{.main = main->fd(),
                                  .ops = ops ? std::optional(ops->fd()) : std::nullopt};

  return server::supervise({.workers = options.workers,
                            .work =
                                [&] {
                                  if (limiter != nullptr) limiter->after_fork();
                                  const server::ServerLimits limits{.workers = options.workers};
                                  return server::run_worker(ports, limits, options.demo, limiter);
                                },
                            .on_started =
                                [&] {
                                  greet(options, main->url(), ops ? ops->url() : main->url(),
                                        limiter != nullptr && !limiter->admin_token().empty());
                                },
                            .on_reopen_log =
                                [&] {
                                  if (limiter != nullptr) limiter->reopen_log();
                                },
                            .on_reload =
                                [&] {
                                  // Workers see in the segment that there is another configuration.
                                  // What is wrong with this one has been logged.
                                  if (limiter != nullptr) std::ignore = limiter->reload();
                                },
                            .report =
                                [&](std::string_view event, std::string_view message) {
                                  if (limiter != nullptr) {
                                    limiter->log_event(event, message);
                                  } else {
                                    fmt::print(stderr, "{}: {}\n", event, message);
                                  }
                                }});
}

}  // namespace tidegate
