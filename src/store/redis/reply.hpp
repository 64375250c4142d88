// One reply of a server (RESP2), bounded in depth and size before it is believed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tidegate::redis {

struct Reply {
  enum class Kind : std::uint8_t { nil, integer, text, status, error, array };
  Kind kind = Kind::nil;
  std::int64_t integer = 0;
  std::string text;             ///< of a text, a status or an error
  std::vector<Reply> elements;  ///< of an array
};

}  // namespace tidegate::redis
