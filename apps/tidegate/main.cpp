// The command line: reads the arguments and calls a command. Nothing else.
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <map>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "apps/tidegate/commands.hpp"

namespace {

namespace command = tidegate::command;

/// `--config F`, described the same everywhere.
void add_config(CLI::App& command, command::ConfigPath& config) {
  command.add_option(
      "--config", config,
      "Configuration file (else $RATE_LIMIT_CONFIG, ./tidegate.toml, ./config.toml)");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "tidegate: exact rate limits, shared by all processes of a host.\n"
      "Results go to standard output, everything else to standard error. Exit codes: 0 fine,\n"
      "1 the answer is no (faults in a configuration, nothing found), 2 wrong usage.",
      "tidegate"};
  app.require_subcommand(1);

  command::ConfigPath config;
  int result = command::kFine;

  tidegate::ServeOptions serve_options;
  CLI::App& serve = *app.add_subcommand("serve",
                                        "Run the server: a decision for proxies that ask "
                                        "(/auth), health, metrics, and a demo API");
  add_config(serve, config);
  serve.add_option("--listen", serve_options.listen, "Address and port")->capture_default_str();
  serve.add_option("--ops-listen", serve_options.ops_listen,
                   "Serve /health, /metrics and /admin at an address and port of their own");
  serve.add_flag("--demo", serve_options.demo, "Add a small API behind the limiter to try it on");
  serve.add_option("--workers", serve_options.workers, "Worker processes")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  serve.callback([&] { result = command::serve(config, serve_options); });

  command::GatewayOptions gateway_options;
  CLI::App& gateway = *app.add_subcommand(
      "gateway",
      "Run nginx with tidegate in it in front of an API. SIGTERM ends it when all are served;\n"
      "SIGHUP reads the configuration again");
  add_config(gateway, gateway_options.config);
  gateway.add_option("--upstream", gateway_options.upstream, "The API, as http://127.0.0.1:9000")
      ->required();
  gateway.add_option("--listen", gateway_options.listen, "Address and port")->capture_default_str();
  gateway.add_option("--ops-listen", gateway_options.ops_listen,
                     "Serve /health, /metrics and /admin at an address and port of their own");
  gateway.add_option("--workers", gateway_options.workers, "Worker processes")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  gateway
      .add_option("--nginx", gateway_options.nginx, "The program (default: where systems have it)")
      ->check(CLI::ExistingFile);
  gateway
      .add_option("--module", gateway_options.module,
                  "ngx_http_tidegate_module.so (default: beside this command)")
      ->check(CLI::ExistingFile);
  gateway.add_flag("--print", gateway_options.print,
                   "Print nginx's configuration, to be used and changed, and end");
  gateway.callback([&] { result = command::gateway(gateway_options); });

  CLI::App& check = *app.add_subcommand("check",
                                        "Print every fault of a configuration, or what it "
                                        "would enforce");
  check.add_option("file", config, "Configuration file (default: as for serve)");
  check.callback([&] { result = command::check(config); });

  command::ExplainOptions explain_options;
  CLI::App& explain = *app.add_subcommand("explain",
                                          "Say which client, rule and windows a request "
                                          "meets, and why");
  add_config(explain, config);
  explain
      .add_option("--peer", explain_options.peer, "The socket's other end: an address, or local")
      ->capture_default_str();
  explain.add_option("-H,--header", explain_options.headers, "A header line, 'Name: value'")
      ->allow_extra_args(false);
  explain.add_option("method", explain_options.method, "GET, POST, ...")->required();
  explain.add_option("target", explain_options.target, "Request target, as /path?query")
      ->required();
  explain.callback([&] { result = command::explain(config, explain_options); });

  std::string backend;
  command::AccessLogOptions log_options;
  CLI::App& replay =
      *app.add_subcommand("replay",
                          "Decide requests of the past, on counts of their own: one JSON object "
                          "a line in, one out;\nor an access log of nginx or Apache, and say who "
                          "would have been limited");
  add_config(replay, config);
  CLI::Option* const its_backend =
      replay
          .add_option("--backend", backend,
                      "memory (the default), or the Redis of the configuration")
          ->check(CLI::IsMember({"memory", "redis"}));
  CLI::Option* const log = replay.add_option(
      "--access-log", log_options.log,
      "A log in the common, combined or nginx's default format, the oldest lines first; - is "
      "standard input");
  log->excludes(its_backend);
  replay
      .add_option("--compare", log_options.compare,
                  "Another configuration: say what it would change")
      ->needs(log);
  replay.add_option("--top", log_options.top, "How many clients are named")
      ->needs(log)
      ->capture_default_str();
  replay.callback([&] {
    result = log->count() == 0 ? command::replay(config, backend)
                               : command::replay_access_log(config, log_options);
  });

  command::ClientOptions client_options;
  const auto add_client = [&](CLI::App& command) {
    add_config(command, config);
    command.add_option("--rule", client_options.rule, "Only this rule (default: all)");
    return command.add_option("client", client_options.client,
                              "The client as logs and metrics write it, as ip:203.0.113.7");
  };
  CLI::App& peek = *app.add_subcommand("peek", "Show what a client has left, taking nothing");
  add_client(peek)->required();
  peek.add_option("--tier", client_options.tier, "The tier whose limits are shown")
      ->capture_default_str();
  peek.callback([&] { result = command::peek(config, client_options); });
  CLI::App& reset = *app.add_subcommand("reset",
                                        "Forget a client, or all clients of a rule, while "
                                        "traffic flows");
  CLI::Option* const one = add_client(reset);
  bool all_clients = false;
  CLI::Option* const all =
      reset.add_flag("--all-clients", all_clients, "Forget all clients of the rule");
  all->needs("--rule")->excludes(one);
  reset.callback([&] {
    if (one->count() + all->count() == 0) {
      throw CLI::RequiredError("a client, or --rule with --all-clients,");
    }
    result = command::reset(config, client_options);
  });

  std::string key_client;
  CLI::App& key = *app.add_subcommand("key", "Prints the keys that a client may have in Redis");
  add_config(key, config);
  key.add_option("CLIENT", key_client, "as logs and metrics write it: ip:203.0.113.7")->required();
  key.callback([&] { result = command::key(config, key_client); });

  CLI::App& reload = *app.add_subcommand("reload",
                                         "Put a configuration in force for all programs that "
                                         "share its segment, while traffic flows");
  add_config(reload, config);
  reload.callback([&] { result = command::reload(config); });

  tidegate::LoadOptions load_options;
  command::LoadReport load_report;
  std::vector<std::string> urls;
  double seconds = 10;
  bool at_once = false;
  CLI::App& load = *app.add_subcommand(
      "load",
      "Send a server requests from many clients, each with an X-Forwarded-For of its own (the "
      "server "
      "must trust the proxy: trusted_proxy_depth = 1), and say how they were answered");
  load.add_option("--url", urls, "http://host:port/path; several are asked in turn")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  load.add_option("--rate", load_options.rate,
                  "Requests a second; latency counts from when each is due")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  CLI::Option* const duration =
      load.add_option("--duration", seconds, "For how many seconds")->check(CLI::PositiveNumber);
  CLI::Option* const requests =
      load.add_option("--requests", load_options.requests, "So many, instead of --duration")
          ->check(CLI::Range(std::size_t{1}, std::size_t{100'000'000}));
  requests->excludes(duration);
  load.add_option("--clients", load_options.clients, "How many clients; 0: no X-Forwarded-For")
      ->check(CLI::Range(std::size_t{0}, std::size_t{131'072}))
      ->capture_default_str();
  load.add_option("--connections", load_options.connections, "To each URL")
      ->check(CLI::Range(std::size_t{1}, std::size_t{20'000}))
      ->capture_default_str();
  load.add_flag("--concurrent", at_once, "All requests at once instead of at a rate");
  load.add_option("-H,--header", load_options.headers, "A further header, 'Name: value'");
  load.add_option("--expect-admitted", load_report.expect_admitted,
                  "Exit with 1 unless exactly so many are admitted");
  load.add_flag("--json", load_report.json, "One JSON object");
  load.callback([&] {
    if (!urls.empty()) load_options.urls = urls;
    if (requests->count() == 0) {
      load_options.requests = static_cast<std::size_t>(load_options.rate * seconds);
    }
    if (at_once) load_options.rate = 0;
    result = command::load(load_options, load_report);
  });

  bool once = false;
  double interval_s = 1;
  CLI::App& top = *app.add_subcommand("top",
                                      "Watch the segment: rules, rates, rejects, busiest clients. "
                                      "q quits; plain text where the output is no terminal");
  add_config(top, config);
  top.add_flag("--once", once, "Print one look and end");
  CLI::Option* const interval =
      top.add_option("--interval", interval_s, "Time between two looks, as 500ms, 2s or 1m")
          ->transform(CLI::AsNumberWithUnit(
              std::map<std::string, double>{{"ms", 1e-3}, {"s", 1}, {"m", 60}}))
          ->check(CLI::Range(0.1, 3600.0))
          ->capture_default_str();
  top.callback([&] {
    command::TopOptions options{.once = once, .interval = std::nullopt};
    if (interval->count() != 0) {
      options.interval = std::chrono::milliseconds(std::llround(interval_s * 1e3));
    }
    result = command::top(config, options);
  });

  CLI::App& segment = *app.add_subcommand("segment", "The shared memory that counts live in");
  segment.require_subcommand(1);
  CLI::App& list = *segment.add_subcommand("list", "List the segments of this host");
  list.callback([&] { result = command::segment_list(); });
  std::string name;
  CLI::App& remove = *segment.add_subcommand("remove", "Remove one, with all counts in it");
  remove.add_option("name", name, "As listed")->required();
  remove.callback([&] { result = command::segment_remove(name); });

  app.add_subcommand("version", "Print the version")->callback([] {
    fmt::print("tidegate {}\n", tidegate::version());
  });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? command::kFine : command::kUsage;
  }
  return result;
}
