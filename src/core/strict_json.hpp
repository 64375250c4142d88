// JSON from strangers. Boost.JSON is compiled in strict_json.cpp alone; who reads the value
// includes <boost/json/value.hpp>.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace boost::json {
class value;
}

namespace tidegate {

/// The value of a text that is JSON and nothing else: UTF-8, nested no deeper than `max_depth`, and
/// with no member of an object named twice, which two readers may read as two things. Nothing
/// otherwise.
[[nodiscard]] std::optional<boost::json::value> parse_strict_json(std::string_view text,
                                                                  std::size_t max_depth);

}  // namespace tidegate
