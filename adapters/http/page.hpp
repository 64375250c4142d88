// The page of operators: its files in page/, as constants.
#pragma once

#include <string_view>

namespace tidegate::server {

extern const std::string_view kPageHtml;
extern const std::string_view kPageStyle;
extern const std::string_view kPageScript;

}  // namespace tidegate::server
