// Faults are values: what is wrong, where, and what would be right.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tidegate {

/// Something that failed outside of a request: a file, a segment, a socket. One line, for a human.
struct Error {
  std::string message;
};

/// One fault of a configuration. Lines and columns count from 1; 0 means "no place in a file"
/// (`file` then names an environment variable, or the file as a whole).
struct Fault {
  std::string file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::string key;      ///< path of the key, as "rate_limiting.memory.capacity"; may be empty
  std::string message;  ///< what was found and what is allowed
};

/// "file:line:column: key: message", leaving out what is absent.
[[nodiscard]] std::string to_string(const Fault& fault);
/// All of them, a line each, without a line feed at the end.
[[nodiscard]] std::string to_string(const std::vector<Fault>& faults);

}  // namespace tidegate
