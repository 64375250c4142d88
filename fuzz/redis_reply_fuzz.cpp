// Any bytes as what a Redis sends: never a crash, never more memory than the bounds allow; and any
// reply as the answer to checks: either all of their verdicts, or an error. The first byte says how
// the bytes arrive: in pieces of so many.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "store/redis/checks.hpp"
#include "store/redis/link.hpp"
#include "store/redis/resp.hpp"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

std::size_t elements_of(const tidegate::redis::Reply& reply) {
  std::size_t count = reply.elements.size();
  for (const auto& element : reply.elements) count += elements_of(element);
  return count;
}

void check_reply(const tidegate::redis::Reply& reply) {
  using tidegate::redis::ReplyReader;
  require(elements_of(reply) <= ReplyReader::kMaxElements);
  require(reply.text.size() <= ReplyReader::kMaxBytes);
  std::array<tidegate::Verdict, 3> verdicts;
  std::array<tidegate::redis::CheckAnswer, 2> answers{
      tidegate::redis::CheckAnswer{
          .verdicts = std::span(verdicts).first(2), .cooldown = {}, .error = {}},
      tidegate::redis::CheckAnswer{
          .verdicts = std::span(verdicts).subspan(2), .cooldown = {}, .error = {}}};
  const auto decoded = tidegate::redis::CheckCodec::decode(reply, answers);
  require(decoded || !decoded.error().message.empty());
  if (reply.kind == tidegate::redis::Reply::Kind::error) {
    static_cast<void>(tidegate::redis::meaning_of(reply.text));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t piece = data[0] == 0 ? size : data[0];
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  tidegate::redis::ReplyReader reader;
  while (!bytes.empty()) {
    reader.feed(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    for (;;) {
      const auto reply = reader.next();
      if (!reply) {
        require(!reply.error().empty());
        return 0;
      }
      if (!*reply) break;
      check_reply(**reply);
    }
  }
  return 0;
}
