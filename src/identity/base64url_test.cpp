#include "identity/base64url.hpp"

#include <gtest/gtest.h>

namespace tidegate {
namespace {

TEST(Base64Url, DecodesWhatIsWrittenInOneWay) {
  // RFC 4648, 10, without padding.
  for (const auto& [text, bytes] : {std::pair{"", ""},
                                    {"Zg", "f"},
                                    {"Zm8", "fo"},
                                    {"Zm9v", "foo"},
                                    {"Zm9vYg", "foob"},
                                    {"Zm9vYmFy", "foobar"}}) {
    EXPECT_EQ(decode_base64url(text), bytes);
  }
  EXPECT_EQ(decode_base64url("-_-_"), "\xfb\xff\xbf");
}

TEST(Base64Url, RefusesEveryOtherSpelling) {
  for (const char* text : {"Zg==", "Zg=", "Zh", "Zm9=", "Zm9", "Z", "Zm9vY", "+_+_", "-/-/",
                           "Zm 9v", "Zm9v\n", "Zm9v.", "Z\xc3\xa9"}) {
    EXPECT_EQ(decode_base64url(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace tidegate
