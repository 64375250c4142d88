// Any text as keys of tokens, JWK Set or PEM: reasons or keys, and no key takes what it has not
// signed.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "identity/token_keys.hpp"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void require_sound(const std::expected<tidegate::TokenKeys, tidegate::Error>& keys) {
  if (!keys) {
    require(!keys.error().message.empty());
    require(keys.error().message.find('\n') == std::string_view::npos);
    return;
  }
  for (const std::string& why : keys->set_aside()) {
    require(why.find('\n') == std::string_view::npos);
  }
  using enum tidegate::SignatureAlgorithm;
  for (const auto algorithm : {hs256, rs256, ps256, es256, es384, eddsa}) {
    for (const std::string_view signature : {std::string_view(""), std::string_view("signature")}) {
      const auto checked = keys->check(algorithm, {}, "text", signature);
      require(checked.verdict != tidegate::TokenVerdict::valid);
      require((checked.tried != 0) == keys->has_kind(kind_for(algorithm)) || checked.tried == 0);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  require_sound(tidegate::TokenKeys::from_jwks(text));
  require_sound(tidegate::TokenKeys::from_pem(text));
  return 0;
}
