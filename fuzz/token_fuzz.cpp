// Any text as a token: never a crash, and nobody without the secret is anybody. Then the two lines
// of the text as header and payload of one that is really signed: whoever it names is within
// bounds.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "identity/test_tokens.hpp"
#include "identity/token.hpp"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

using tidegate::read_token;
using tidegate::TokenVerdict;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const tidegate::TokenKeys keys = tidegate::test_keys();
  static const tidegate::TokenRules rules{tidegate::JwtConfig{}};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  require(read_token(text, rules, keys).verdict != TokenVerdict::valid);

  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return 0;
  const std::string token = tidegate::signed_token(text.substr(end + 1), text.substr(0, end));
  const tidegate::ReadToken read = read_token(token, rules, keys);
  require(read.verdict != TokenVerdict::bad_signature);
  if (read.verdict != TokenVerdict::valid) return 0;
  const tidegate::TokenClaims& claims = read.claims;
  if (claims.verdict == TokenVerdict::valid) {
    require(claims.client.starts_with("user:") && claims.client.size() > 5);
    require(claims.client.size() <= 261 && claims.tier.size() <= 64);
  } else {
    require(claims.client.empty());
  }
  std::string other = token;
  other.back() = other.back() == 'A' ? 'E' : 'A';
  require(read_token(other, rules, keys).verdict != TokenVerdict::valid);
  return 0;
}
