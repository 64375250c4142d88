#include "store/redis/message_pack.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace tidegate::redis {
namespace {

using std::literals::string_view_literals::operator""sv;

TEST(MessagePack, KeepsNumbersOfAnySize) {
  Packer packer;
  constexpr std::uint64_t kNumbers[] = {
      0, 127, 128, 255, 256, 65'535, 65'536, 4'294'967'295, 4'294'967'296, ~std::uint64_t{0}};
  for (const std::uint64_t number : kNumbers) packer.add(number);
  const std::string packed = packer.take_list();
  Unpacker unpacker(packed);
  for (const std::uint64_t number : kNumbers) {
    EXPECT_FALSE(unpacker.ended());
    EXPECT_EQ(unpacker.number(), number);
  }
  EXPECT_TRUE(unpacker.ended());
  EXPECT_EQ(unpacker.number(), std::nullopt);
}

TEST(MessagePack, TellsTextsFromNumbers) {
  const std::string long_text(300, 'x');
  const std::string packed = "\x94\xa2hi\x07\xd9\x01!\xda\x01\x2c" + long_text;
  Unpacker unpacker(packed);
  EXPECT_EQ(unpacker.number(), std::nullopt);
  EXPECT_EQ(unpacker.text(), "hi");
  EXPECT_EQ(unpacker.text(), std::nullopt);
  EXPECT_EQ(unpacker.number(), 7U);
  EXPECT_EQ(unpacker.text(), "!");
  EXPECT_EQ(unpacker.text(), long_text);
  EXPECT_TRUE(unpacker.ended());
}

TEST(MessagePack, ReadsShortNumbers) {
  Unpacker unpacker("\xdc\x00\x02\xcc\x80\xcd\x00\x05"sv);
  EXPECT_EQ(unpacker.number(), 128U);
  EXPECT_EQ(unpacker.number(), 5U);
  EXPECT_TRUE(unpacker.ended());
}

TEST(MessagePack, DoesNotBelieveASizeThatIsNotThere) {
  for (const std::string_view lie :
       {""sv, "\x01"sv, "\x91"sv, "\xdd\x00"sv, "\xdd\xff\xff\xff\xff\x01"sv, "\x91\xcf\x01"sv,
        "\x91\xa5shy"sv, "\x91\xdb\xff\xff\xff\xffshy"sv, "\x91\xff"sv, "\x91\xc0"sv, "\x92\x01"sv,
        "\x91\x01\x02"sv}) {
    Unpacker unpacker(lie);
    for (int i = 0; i < 3; ++i) {
      static_cast<void>(unpacker.text());
      static_cast<void>(unpacker.number());
    }
    EXPECT_FALSE(unpacker.ended()) << testing::PrintToString(std::string(lie));
  }
}

}  // namespace
}  // namespace tidegate::redis
