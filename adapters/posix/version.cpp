#include "tidegate/status.hpp"

namespace tidegate {

std::string_view version() { return TIDEGATE_VERSION; }

}  // namespace tidegate
