#include "adapters/posix/accounts.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>

#include <cerrno>
#include <charconv>
#include <utility>
#include <vector>

namespace tidegate::posix {
namespace {

/// The record that one of the getXXX_r functions finds, as `use` reads it; else `otherwise`.
template <class Record, class Find, class Use, class Result>
Result look_up(Find find, Use use, Result otherwise) {
  Record record{};
  Record* found = nullptr;
  std::vector<char> buffer(1024);
  while (find(&record, buffer.data(), buffer.size(), &found) == ERANGE) {
    buffer.resize(buffer.size() * 2);
  }
  return found == nullptr ? std::move(otherwise) : use(record);
}

}  // namespace

std::expected<gid_t, Error> group_of(const std::string& name) {
  using Group = std::expected<gid_t, Error>;
  Group otherwise = std::unexpected(
      Error{fmt::format("[rate_limiting.memory] group = \"{}\": there is no such group", name)});
  gid_t number = 0;
  const char* const end = name.data() + name.size();
  if (const auto read = std::from_chars(name.data(), end, number);
      read.ec == std::errc{} && read.ptr == end) {
    otherwise = number;
  }
  return look_up<::group>([&](auto... out) { return ::getgrnam_r(name.c_str(), out...); },
                          [](const ::group& group) -> Group { return group.gr_gid; }, otherwise);
}

std::string describe_user(uid_t user) {
  return look_up<::passwd>(
      [&](auto... out) { return ::getpwuid_r(user, out...); },
      [&](const ::passwd& found) { return fmt::format("{} ({})", found.pw_name, user); },
      std::to_string(user));
}

std::string describe_group(gid_t group) {
  return look_up<::group>(
      [&](auto... out) { return ::getgrgid_r(group, out...); },
      [&](const ::group& found) { return fmt::format("{} ({})", found.gr_name, group); },
      std::to_string(group));
}

}  // namespace tidegate::posix
