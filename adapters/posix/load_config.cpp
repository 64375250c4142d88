// The part of the configuration that touches the world: which file, its bytes, the environment.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "adapters/posix/file_descriptor.hpp"
#include "adapters/posix/load_text.hpp"
#include "tidegate/config.hpp"

namespace tidegate {
namespace {

struct ReadError {
  int number;  ///< errno; EFBIG: above kMaxConfigBytes
};

/// The whole file. One that says it is too large is not read; one that does not say (a pipe) is
/// read no further than that.
std::expected<std::string, ReadError> read_file(const std::string& path) {
  const posix::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status{};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0) return std::unexpected(ReadError{errno});
  if (S_ISDIR(status.st_mode)) return std::unexpected(ReadError{EISDIR});
  if (S_ISREG(status.st_mode) && std::cmp_greater(status.st_size, kMaxConfigBytes)) {
    return std::unexpected(ReadError{EFBIG});
  }
  std::string text;
  std::array<char, 65'536> buffer;
  for (;;) {
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected(ReadError{errno});
    if (count == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(count));
    if (text.size() > kMaxConfigBytes) return std::unexpected(ReadError{EFBIG});
  }
}

std::string message_of(int error) {
  if (error == EISDIR) return "found a directory, allowed: a file";
  if (error == EFBIG) return "found more than 2 MiB, allowed: at most 2 MiB";
  return "cannot be read: " + std::system_category().message(error);
}

std::vector<Fault> read_fault(const std::string& path, std::string_view chosen_by, int error) {
  std::string message = message_of(error);
  if (!chosen_by.empty()) message += " (the path is from " + std::string{chosen_by} + ")";
  return {Fault{path, 0, 0, "", std::move(message)}};
}

/// All of it: a configuration may name any variable as one that holds a secret.
Environment whole_environment() {
  Environment all;
  for (char** at = environ; at != nullptr && *at != nullptr; ++at) {
    const std::string_view variable = *at;
    const std::size_t equals = variable.find('=');
    if (equals == std::string_view::npos) continue;
    all.emplace(variable.substr(0, equals), variable.substr(equals + 1));
  }
  return all;
}

}  // namespace

std::expected<std::string, Error> posix::read_key_file(const std::string& path) {
  auto text = read_file(path);
  if (!text) return std::unexpected(Error{message_of(text.error().number)});
  return std::move(*text);
}

std::expected<LoadedConfig, std::vector<Fault>> posix::load_text(std::string_view text,
                                                                 std::string_view file) {
  return parse_config(text, file, whole_environment(), read_key_file);
}

std::expected<LoadedConfig, std::vector<Fault>> load_config(
    const std::optional<std::string>& path) {
  const Environment environment = whole_environment();
  const auto named = environment.find("RATE_LIMIT_CONFIG");
  const bool by_environment = !path && named != environment.end() && !named->second.empty();

  std::vector<std::string> candidates{"./tidegate.toml", "./config.toml"};
  if (path) candidates = {*path};
  if (by_environment) candidates = {named->second};
  const bool must_exist = path || by_environment;

  for (const std::string& candidate : candidates) {
    const auto text = read_file(candidate);
    if (text) return parse_config(*text, candidate, environment, posix::read_key_file);
    if (must_exist || text.error().number != ENOENT) {
      return std::unexpected(
          read_fault(candidate, by_environment ? "RATE_LIMIT_CONFIG" : "", text.error().number));
    }
  }
  return parse_config("", "", environment, posix::read_key_file);
}

}  // namespace tidegate
