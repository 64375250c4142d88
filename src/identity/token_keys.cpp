#include "identity/token_keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base64url.hpp"
#include "core/json_text.hpp"
#include "identity/json.hpp"

namespace tidegate {
namespace {

std::unexpected<Error> wrong(std::string message) {
  return std::unexpected(Error{std::move(message)});
}

/// Text of the set in a message.
std::string shown(std::string_view text) {
  constexpr std::size_t kMaxShownBytes = 64;
  std::string out = "\"";
  append_json_text(text, kMaxShownBytes, out);
  return out + '"';
}

const std::string* string_of(const JsonValue& jwk, std::string_view name) {
  const JsonValue* const value = jwk.find(name);
  return value == nullptr ? nullptr : value->string();
}

/// The numbers of a JWK, decoded. An error names what is missing.
std::expected<std::vector<std::string>, Error> numbers_of(
    const JsonValue& jwk, std::initializer_list<std::string_view> names) {
  std::vector<std::string> numbers;
  for (const std::string_view name : names) {
    const std::string* const text = string_of(jwk, name);
    auto bytes = text == nullptr ? std::nullopt : decode_base64url(*text);
    if (!bytes) return wrong(fmt::format("its member \"{}\" is no base64url", name));
    numbers.push_back(std::move(*bytes));
  }
  return numbers;
}

std::expected<VerificationKey, Error> key_of(const JsonValue& jwk) {
  const std::string* const type = string_of(jwk, "kty");
  if (type == nullptr) return wrong("its type (kty) is missing");
  const std::string* const curve = string_of(jwk, "crv");
  const std::string_view curve_name = curve == nullptr ? std::string_view{} : *curve;
  if (*type == "oct") {
    const auto numbers = numbers_of(jwk, {"k"});
    if (!numbers) return std::unexpected(numbers.error());
    return VerificationKey::from_secret((*numbers)[0]);
  }
  if (*type == "RSA") {
    const auto numbers = numbers_of(jwk, {"n", "e"});
    if (!numbers) return std::unexpected(numbers.error());
    return VerificationKey::rsa((*numbers)[0], (*numbers)[1]);
  }
  if (*type == "EC" && (curve_name == "P-256" || curve_name == "P-384")) {
    const auto numbers = numbers_of(jwk, {"x", "y"});
    if (!numbers) return std::unexpected(numbers.error());
    return VerificationKey::ec(curve_name == "P-256" ? KeyKind::p256 : KeyKind::p384, (*numbers)[0],
                               (*numbers)[1]);
  }
  if (*type == "OKP" && curve_name == "Ed25519") {
    const auto numbers = numbers_of(jwk, {"x"});
    if (!numbers) return std::unexpected(numbers.error());
    return VerificationKey::ed25519((*numbers)[0]);
  }
  return wrong(
      fmt::format("its type {}{} is none of RSA, EC with P-256 or P-384, OKP with "
                  "Ed25519, oct",
                  shown(*type), curve == nullptr ? "" : " with " + shown(*curve)));
}

/// Why a key is not meant for signatures; "" where it is.
std::string misuse_of(const JsonValue& jwk) {
  if (const JsonValue* const use = jwk.find("use");
      use != nullptr && (use->string() == nullptr || use->text != "sig")) {
    return "it is not for signatures (use)";
  }
  if (const JsonValue* const operations = jwk.find("key_ops"); operations != nullptr) {
    const auto is_verify = [](const JsonValue& it) {
      return it.string() != nullptr && it.text == "verify";
    };
    if (std::ranges::none_of(operations->items, is_verify)) {
      return "it is not for verification (key_ops)";
    }
  }
  return "";
}

}  // namespace

std::expected<TokenKeys, Error> TokenKeys::from_secret(std::string_view secret) {
  auto key = VerificationKey::from_secret(secret);
  if (!key) return std::unexpected(key.error());
  TokenKeys keys;
  keys.keys_.push_back({std::move(*key)});
  return keys;
}

std::expected<TokenKeys, Error> TokenKeys::from_pem(std::string_view pem) {
  auto key = VerificationKey::from_pem(pem);
  if (!key) return std::unexpected(key.error());
  TokenKeys keys;
  keys.keys_.push_back({std::move(*key)});
  return keys;
}

std::expected<TokenKeys, Error> TokenKeys::from_jwks(std::string_view json) {
  const auto document = parse_json(json);
  if (!document) return wrong("no JSON: " + document.error().message);
  const JsonValue* const list = document->find("keys");
  if (list == nullptr || list->type != JsonValue::Type::array) {
    return wrong("no JWK Set: an object with an array \"keys\" is allowed");
  }
  if (list->items.size() > kMaxTokenKeys) {
    return wrong(fmt::format("{} keys, allowed: at most {}", list->items.size(), kMaxTokenKeys));
  }
  TokenKeys keys;
  keys.by_kid_ = true;
  for (std::size_t i = 0; i < list->items.size(); ++i) {
    const JsonValue& jwk = list->items[i];
    const std::string* const kid = string_of(jwk, "kid");
    const auto set_aside = [&](std::string_view why) {
      keys.set_aside_.push_back(
          fmt::format("key {}{}: {}", i + 1, kid == nullptr ? "" : " " + shown(*kid), why));
    };
    if (jwk.find("kid") != nullptr && kid == nullptr) {
      set_aside("its name (kid) is no string");
      continue;
    }
    if (const std::string misuse = misuse_of(jwk); !misuse.empty()) {
      set_aside(misuse);
      continue;
    }
    auto key = key_of(jwk);
    if (!key) {
      set_aside(key.error().message);
      continue;
    }
    std::optional<SignatureAlgorithm> algorithm;
    if (const JsonValue* const named = jwk.find("alg"); named != nullptr) {
      if (named->string() != nullptr) algorithm = algorithm_named(named->text);
      if (!algorithm || kind_for(*algorithm) != key->kind()) {
        set_aside(fmt::format("its algorithm (alg) is none for {}", to_string(key->kind())));
        continue;
      }
    }
    keys.keys_.push_back(
        {std::move(*key), kid == nullptr ? std::nullopt : std::optional(*kid), algorithm});
  }
  if (keys.keys_.empty()) {
    std::string message = "no key that can be used";
    for (const std::string& why : keys.set_aside_) message += "; " + why;
    return wrong(std::move(message));
  }
  return keys;
}

std::expected<TokenKeys, Error> TokenKeys::from_source(const JwtConfig& config,
                                                       std::string_view text) {
  if (!config.verify_signature) return TokenKeys();
  if (!config.jwks_file.empty()) return from_jwks(text);
  return config.public_key_file.empty() ? from_secret(text) : from_pem(text);
}

TokenKeys::Checked TokenKeys::check(SignatureAlgorithm algorithm,
                                    const std::optional<std::string>& kid, std::string_view text,
                                    std::string_view signature) const {
  Checked checked{.verdict = TokenVerdict::unknown_key};
  for (const Key& key : keys_) {
    if (key.key.kind() != kind_for(algorithm)) continue;
    if (key.algorithm && *key.algorithm != algorithm) continue;
    if (by_kid_ && kid && key.kid != kid) continue;
    ++checked.tried;
    checked.verdict = TokenVerdict::bad_signature;
    if (!key.key.verify(algorithm, text, signature)) continue;
    checked.verdict = TokenVerdict::valid;
    break;
  }
  return checked;
}

bool TokenKeys::has_kind(KeyKind kind) const {
  return std::ranges::any_of(keys_, [&](const Key& key) { return key.key.kind() == kind; });
}

}  // namespace tidegate
