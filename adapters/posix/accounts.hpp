// Users and groups by name.
#pragma once

#include <sys/types.h>

#include <expected>
#include <string>

#include "tidegate/error.hpp"

namespace tidegate::posix {

/// A group by its name or number. An error if there is none of that name.
[[nodiscard]] std::expected<gid_t, Error> group_of(const std::string& name);

/// "www-data (33)", or "33" if the number has no name here.
[[nodiscard]] std::string describe_user(uid_t user);
[[nodiscard]] std::string describe_group(gid_t group);

}  // namespace tidegate::posix
