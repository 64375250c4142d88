// A point of Ed25519 and its partner on the Montgomery curve (u = (1 + y) / (1 - y)) have one
// order. X25519 multiplies by multiples of eight only, and OpenSSL refuses where that gives zero:
// for the points of small order, and for no other.
#include "identity/ed25519_order.hpp"

#include <openssl/bn.h>
#include <openssl/evp.h>

#include <algorithm>

#include "core/openssl.hpp"

namespace tidegate {
namespace {

using openssl::Owned;
constexpr int kBytes = 32;
using Bytes = std::array<unsigned char, kBytes>;

/// u of a point; false for the neutral one, which has none.
bool to_montgomery(Bytes y_bytes, Bytes& u_bytes) {
  y_bytes[31] &= 0x7f;  // the sign of x, which u does not depend on
  const Owned<BN_CTX, BN_CTX_free> context(BN_CTX_new());
  const Owned<BIGNUM, BN_free> y(BN_lebin2bn(y_bytes.data(), kBytes, nullptr));
  const Owned<BIGNUM, BN_free> prime(BN_new());
  const Owned<BIGNUM, BN_free> above(BN_new());
  const Owned<BIGNUM, BN_free> below(BN_new());
  const Owned<BIGNUM, BN_free> u(BN_new());
  BN_set_bit(prime.get(), 255);
  BN_sub_word(prime.get(), 19);
  BN_mod_add(above.get(), BN_value_one(), y.get(), prime.get(), context.get());
  BN_mod_sub(below.get(), BN_value_one(), y.get(), prime.get(), context.get());
  return BN_is_zero(below.get()) == 0 &&
         BN_mod_inverse(below.get(), below.get(), prime.get(), context.get()) != nullptr &&
         BN_mod_mul(u.get(), above.get(), below.get(), prime.get(), context.get()) == 1 &&
         BN_bn2lebinpad(u.get(), u_bytes.data(), kBytes) == kBytes;
}

}  // namespace

bool has_small_order(const std::array<unsigned char, 32>& point) {
  const openssl::QuietErrors quiet;
  Bytes u{};
  if (!to_montgomery(point, u)) return true;
  Bytes scalar{};  // any will do
  scalar.fill(0x55);
  const Owned<EVP_PKEY, EVP_PKEY_free> own(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, scalar.data(), scalar.size()));
  const Owned<EVP_PKEY, EVP_PKEY_free> other(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, u.data(), u.size()));
  const Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(EVP_PKEY_CTX_new(own.get(), nullptr));
  Bytes shared{};
  std::size_t size = shared.size();
  return EVP_PKEY_derive_init(context.get()) != 1 ||
         EVP_PKEY_derive_set_peer(context.get(), other.get()) != 1 ||
         EVP_PKEY_derive(context.get(), shared.data(), &size) != 1;
}

}  // namespace tidegate
