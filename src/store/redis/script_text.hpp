// The parts of the scripts that decide checks, which checks.cpp joins. The twins of the algorithms
// lie beside their C++ in src/algo/.
#pragma once

#include <string>
#include <string_view>

namespace tidegate::redis {

extern const std::string_view kBeginLua;
extern const std::string_view kTokenBucketLua;
extern const std::string_view kFixedWindowLua;
extern const std::string_view kSlidingWindowCounterLua;
extern const std::string_view kSlidingWindowLua;
extern const std::string_view kPlainLua;
extern const std::string_view kCheckLua;

}  // namespace tidegate::redis
