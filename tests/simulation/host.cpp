#include "tests/simulation/host.hpp"

#include <fmt/format.h>

#include <memory>
#include <span>
#include <stdexcept>
#include <utility>

namespace tidegate::simulation {
namespace {

constexpr StoreGeometry kGeometry{.capacity = 512, .log_slots = 1 << 14};
constexpr std::size_t kPage = 4096;
/// Within so long whoever can know which master is the latest has left a former one: a look each
/// second, two sentinels that do not answer, and a connection.
constexpr Micros kLeaves = 4'000'000;
constexpr Micros kSecond = 1'000'000;
/// Connections that a worker opens in a second, whatever happens.
constexpr std::size_t kMostOpened = 40;

bool has_call(std::string_view bytes) { return bytes.find("\r\nEVAL") != std::string_view::npos; }

bool says_unfit(std::string_view bytes) {
  for (const std::string_view error : {"-READONLY", "-LOADING", "-NOREPLICAS"}) {
    if (bytes.starts_with(error)) return true;
    if (bytes.find("\r\n" + std::string(error)) != std::string_view::npos) return true;
  }
  return false;
}

redis::ClientOptions client_options(const Settings& settings, std::uint64_t seed) {
  redis::ClientOptions options;
  options.config = settings.config.redis;
  options.connections = settings.connections;
  options.seed = seed;
  return options;
}

}  // namespace

struct Worker::Request final : public Question {
  Request(Worker& its_worker, const Wanted& wanted, const std::vector<Counter>& counters)
      : worker(its_worker) {
    answer.client = wanted.client;
    answer.cost = wanted.cost;
    for (const Counter& counter : counters) {
      charges.push_back({&counter, wanted.client->hash, wanted.cost});
    }
    answers.resize(charges.size());
    check = {.charges = charges,
             .enforced = charges.size(),
             .penalties = nullptr,
             .client = wanted.client->hash};
    verdicts = answers;
  }
  void answered() override { worker.conclude(*this, false); }

  Worker& worker;
  std::vector<Charge> charges;
  std::vector<Verdict> answers;
  Answer answer;
  std::list<Request>::iterator self;
};

Worker::Worker(World& world, Fabric& fabric, Host& host, std::size_t number)
    : Worker(world, fabric, host, number, world.below(~std::uint64_t{0})) {}

Worker::Worker(World& world, Fabric& fabric, Host& host, std::size_t number, std::uint64_t seed)
    : world_(world),
      fabric_(fabric),
      host_(host),
      name_(10 * host.party() + number),
      codec_(host.settings_.names),
      guard_(Guard::options_of(host.settings_.config, seed), client_options(host.settings_, seed),
             codec_, *this, host.guards_, *this) {
  guard_.client().connect(host_.clock());
}

Worker::~Worker() {
  *alive_ = false;
  fabric_.reset_all_of(*this);
}

void Worker::ask(const std::vector<Wanted>& requests) {
  const Micros now = host_.clock();
  for (const Wanted& wanted : requests) {
    Request& request = requests_.emplace_back(*this, wanted, host_.counters_[wanted.client->group]);
    request.self = std::prev(requests_.end());
    request.answer.asked = world_.now();
    const std::uint64_t server = guard_.client().server_of(codec_.slot_of(request.check));
    request.answer.breaker = &host_.guards_.breakers[server % GuardMemory::kBreakers];
    request.answer.state = state_of(*request.answer.breaker, now);
    world_.note("asks", name_, wanted.cost, wanted.client->name);
    if (guard_.ask(request, now)) conclude(request, true);
  }
  guard_.flush(now);
}

void Worker::conclude(Request& request, bool at_once) {
  Answer& answer = request.answer;
  answer.at_once = at_once;
  answer.by = request.by;
  answer.retry_us = request.retry_us;
  if (answer.by == AnsweredBy::local) {
    host_.store_->apply(request.charges, ticks_from_micros(host_.clock()), request.answers);
  }
  answer.admitted = true;
  for (const Verdict& verdict : request.answers) {
    answer.admitted = answer.admitted && verdict.admitted;
  }
  world_.note(answer.admitted ? "admitted by" : "denied by", name_,
              static_cast<std::uint64_t>(answer.by), answer.client->name);
  host_.ledger_.on_answer(answer);
  requests_.erase(request.self);
}

void Worker::open(redis::LinkId link, const redis::Endpoint& to) {
  const Party party = RedisNode::party_of(to);
  world_.note("opens", name_, link, RedisNode::endpoint_of(party).host);
  const ConnectionId connection = fabric_.connect(host_.party(), *this, party);
  lines_[connection] = {.link = link, .party = party};
  connections_[link] = connection;
  std::size_t open = 0;
  for (const auto& [id, line] : lines_) open += line.party == party ? 1 : 0;
  if (host_.find_(party) != nullptr && open > host_.settings_.connections) {
    host_.ledger_.violated("pool", fmt::format("a worker has {} connections to one server", open));
  }
  opened_.push_back(world_.now());
  while (opened_.front() + kSecond < world_.now()) opened_.pop_front();
  if (opened_.size() > kMostOpened) {
    host_.ledger_.violated(
        "storm", fmt::format("a worker opens its {}th connection of a second", opened_.size()));
  }
}

void Worker::write(redis::LinkId link, std::string_view bytes) {
  const ConnectionId connection = connections_.at(link);
  world_.note("writes", name_, link, bytes);
  if (has_call(bytes)) check_call(lines_.at(connection));
  fabric_.send(connection, true, bytes);
}

/// Whether a call may go where it goes.
void Worker::check_call(Line& line) {
  const bool follows = host_.settings_.config.redis.topology == RedisConfig::Topology::sentinel;
  const RedisNode* const node = host_.find_(line.party);
  if (!follows || node == nullptr) return;
  if (line.unfit) {
    host_.ledger_.violated("unfit", fmt::format("server {} was asked again on a connection on "
                                                "which it had said that it is not to be",
                                                line.party));
  }
  if (node->epoch() < highest_epoch_) {
    host_.ledger_.violated("old master", fmt::format("server {} was asked, whom a later master "
                                                     "had replaced",
                                                     line.party));
  }
  highest_epoch_ = std::max(highest_epoch_, node->epoch());
  if (node->epoch() < host_.latest_epoch && host_.knows_since != 0 &&
      host_.knows_since + kLeaves < world_.now()) {
    host_.ledger_.violated("old master", fmt::format("server {} is still asked", line.party));
  }
}

void Worker::close(redis::LinkId link) {
  world_.note("closes", name_, link);
  const auto connection = connections_.extract(link);
  if (connection.empty()) return;
  lines_.erase(connection.mapped());
  fabric_.close(connection.mapped(), true);
}

void Worker::wake_at(Micros time) {
  const std::uint64_t number = ++wake_;
  if (time == kNever) return;
  // By the host's clock, which runs as the world's does.
  const Micros now = host_.clock();
  world_.after(time > now ? time - now : 0, [this, number, alive = alive_] {
    if (*alive && number == wake_) guard_.client().on_time(host_.clock());
  });
}

void Worker::on_connected(ConnectionId connection) {
  if (const auto line = lines_.find(connection); line != lines_.end()) {
    guard_.client().on_open(line->second.link, host_.clock());
  }
}

void Worker::on_bytes(ConnectionId connection, std::string_view bytes) {
  const auto line = lines_.find(connection);
  if (line == lines_.end()) return;
  line->second.unfit = line->second.unfit || says_unfit(bytes);
  world_.note("reads", name_, line->second.link, bytes);
  guard_.client().on_bytes(line->second.link, bytes, host_.clock());
}

void Worker::on_closed(ConnectionId connection, bool refused) {
  const auto line = lines_.extract(connection);
  if (line.empty()) return;
  const redis::LinkId link = line.mapped().link;
  connections_.erase(link);
  world_.note(refused ? "is refused" : "is cut off", name_, link);
  guard_.client().on_close(link, redis::ErrorType::refused,
                           refused ? "connection refused" : "connection reset", host_.clock());
}

void Worker::on_event(std::string_view event, std::string_view message) {
  world_.note(event, name_, 0, message);
  const bool begins = event == "redis_outage_began";
  if (!begins && event != "redis_outage_ended") return;
  const bool cluster = host_.settings_.config.redis.topology == RedisConfig::Topology::cluster;
  const std::size_t most = cluster ? GuardMemory::kBreakers : 1;
  if (begins ? host_.outages_ == most : host_.outages_ == 0) {
    host_.ledger_.violated("log", fmt::format("{} once too often", event));
  } else if (begins) {
    ++host_.outages_;
  } else {
    --host_.outages_;
  }
}

Host::Host(World& world, Fabric& fabric, Ledger& ledger, const Settings& settings, Party party,
           std::size_t workers, std::int64_t skew, Find find)
    : world_(world),
      fabric_(fabric),
      ledger_(ledger),
      settings_(settings),
      party_(party),
      skew_(skew),
      find_(std::move(find)),
      wanted_workers_(workers),
      memory_(
          static_cast<std::byte*>(std::aligned_alloc(kPage, MemoryStore::bytes_needed(kGeometry))),
          &std::free) {
  set_up();
}

void Host::set_up() {
  const std::span<std::byte> memory(memory_.get(), MemoryStore::bytes_needed(kGeometry));
  std::ranges::fill(memory, std::byte{});
  MemoryStore::format(memory, kGeometry);
  store_ = MemoryStore::attach(memory, kGeometry, kAnyTime).value();
  counters_ = settings_.limits;
  std::vector<Counter*> all;
  for (std::vector<Counter>& group : counters_) {
    for (Counter& counter : group) all.push_back(&counter);
  }
  if (auto bound = store_->bind(all, ticks_from_micros(clock()), true); !bound) {
    throw std::runtime_error(bound.error().message);
  }
  while (workers_.size() < wanted_workers_) {
    workers_.push_back(std::make_unique<Worker>(world_, fabric_, *this, workers_.size()));
  }
}

void Host::replace_worker(std::size_t number) {
  world_.note("worker dies", party_, number);
  workers_[number].reset();
  workers_[number] = std::make_unique<Worker>(world_, fabric_, *this, number);
}

void Host::reboot() {
  world_.note("reboots", party_);
  workers_.clear();
  std::destroy_at(&guards_);
  std::construct_at(&guards_);
  outages_ = 0;
  set_up();
}

}  // namespace tidegate::simulation
