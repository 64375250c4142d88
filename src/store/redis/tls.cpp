#include "store/redis/tls.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <new>
#include <utility>

#include "core/openssl.hpp"

namespace tidegate::redis {
namespace {

using openssl::Owned;
using OwnedBio = Owned<BIO, BIO_free_all>;

constexpr std::size_t kPieceBytes = std::size_t{16} << 10;

OwnedBio reading(const std::string& text) {
  return OwnedBio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

Error no_pem(std::string_view what) {
  ERR_clear_error();
  return {std::string("rate_limiting.redis.") + std::string(what) +
          ": the file holds no PEM of that kind"};
}

std::expected<void, Error> trust(SSL_CTX* context, const std::string& ca) {
  if (ca.empty()) {
    SSL_CTX_set_default_verify_paths(context);
    return {};
  }
  const OwnedBio bio = reading(ca);
  X509_STORE* const store = SSL_CTX_get_cert_store(context);
  std::size_t found = 0;
  for (;;) {
    const Owned<X509, X509_free> certificate(
        PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!certificate) break;
    X509_STORE_add_cert(store, certificate.get());
    ++found;
  }
  ERR_clear_error();  // the end of the text is one
  if (found == 0) return std::unexpected(no_pem("ca_file"));
  return {};
}

std::expected<void, Error> introduce(SSL_CTX* context, const TlsOptions& options) {
  if (options.certificate.empty() && options.key.empty()) return {};
  const OwnedBio certificates = reading(options.certificate);
  const Owned<X509, X509_free> certificate(
      PEM_read_bio_X509(certificates.get(), nullptr, nullptr, nullptr));
  if (!certificate || SSL_CTX_use_certificate(context, certificate.get()) != 1) {
    return std::unexpected(no_pem("cert_file"));
  }
  for (;;) {  // those between ours and the CA
    X509* const between = PEM_read_bio_X509(certificates.get(), nullptr, nullptr, nullptr);
    if (between == nullptr || SSL_CTX_add0_chain_cert(context, between) != 1) break;
  }
  const OwnedBio keys = reading(options.key);
  const Owned<EVP_PKEY, EVP_PKEY_free> key(
      PEM_read_bio_PrivateKey(keys.get(), nullptr, nullptr, nullptr));
  if (!key) return std::unexpected(no_pem("key_file"));
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    ERR_clear_error();
    return std::unexpected(
        Error{"rate_limiting.redis.key_file: the key is not that of the certificate in cert_file"});
  }
  ERR_clear_error();
  return {};
}

}  // namespace

struct TlsContext::State {
  Owned<SSL_CTX, SSL_CTX_free> context;
  bool verify = true;
};

TlsContext::TlsContext(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsContext::TlsContext(TlsContext&&) noexcept = default;
TlsContext& TlsContext::operator=(TlsContext&&) noexcept = default;
TlsContext::~TlsContext() = default;

std::expected<TlsContext, Error> TlsContext::create(const TlsOptions& options) {
  auto state = std::make_unique<State>();
  state->context.reset(SSL_CTX_new(TLS_client_method()));
  state->verify = options.verify;
  SSL_CTX* const context = state->context.get();
  if (context == nullptr) return std::unexpected(Error{"OpenSSL has no TLS"});
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (options.verify) {
    if (auto trusted = trust(context, options.ca); !trusted) {
      return std::unexpected(trusted.error());
    }
  }
  if (auto introduced = introduce(context, options); !introduced) {
    return std::unexpected(introduced.error());
  }
  return TlsContext(std::move(state));
}

struct TlsFilter::State {
  Owned<SSL, SSL_free> ssl;
  BIO* in = nullptr;   ///< of ssl: from the network
  BIO* out = nullptr;  ///< of ssl: to the network
  std::string host;

  [[nodiscard]] Failure failure() const {
    const long checked = SSL_get_verify_result(ssl.get());
    std::array<char, 256> text{};
    ERR_error_string_n(ERR_get_error(), text.data(), text.size());
    ERR_clear_error();
    if (checked != X509_V_OK) {
      return {.type = ErrorType::auth,
              .message = "the certificate of " + host +
                         " is not trusted: " + X509_verify_cert_error_string(checked)};
    }
    return {.type = ErrorType::protocol,
            .maybe_executed = true,
            .message = "TLS with " + host + " failed: " + text.data()};
  }

  /// False: it ended.
  [[nodiscard]] bool still_good(int result) const {
    const int error = SSL_get_error(ssl.get(), result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
  }
};

TlsFilter::TlsFilter(const TlsContext& context, const std::string& host)
    : state_(std::make_unique<State>()) {
  state_->ssl.reset(SSL_new(context.state_->context.get()));
  state_->in = BIO_new(BIO_s_mem());
  state_->out = BIO_new(BIO_s_mem());
  state_->host = host;
  SSL* const ssl = state_->ssl.get();
  if (ssl == nullptr || state_->in == nullptr || state_->out == nullptr) throw std::bad_alloc();
  SSL_set_bio(ssl, state_->in, state_->out);
  SSL_set_connect_state(ssl);
  if (!context.state_->verify || host.empty()) return;
  X509_VERIFY_PARAM* const wanted = SSL_get0_param(ssl);
  if (X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) != 1) {
    ERR_clear_error();  // then it is a name
    SSL_set_tlsext_host_name(ssl, host.c_str());
    SSL_set1_host(ssl, host.c_str());
  }
}
TlsFilter::TlsFilter(TlsFilter&&) noexcept = default;
TlsFilter& TlsFilter::operator=(TlsFilter&&) noexcept = default;
TlsFilter::~TlsFilter() = default;

std::expected<void, Failure> TlsFilter::begin() {
  const int result = SSL_do_handshake(state_->ssl.get());
  if (result == 1 || state_->still_good(result)) return {};
  return std::unexpected(state_->failure());
}

std::expected<void, Failure> TlsFilter::received(std::string_view bytes, std::string& clear) {
  BIO_write(state_->in, bytes.data(), static_cast<int>(bytes.size()));
  if (!SSL_is_init_finished(state_->ssl.get())) {
    if (auto begun = begin(); !begun) return begun;
  }
  std::array<char, kPieceBytes> piece;
  for (;;) {
    const int read = SSL_read(state_->ssl.get(), piece.data(), static_cast<int>(piece.size()));
    if (read > 0) {
      clear.append(piece.data(), static_cast<std::size_t>(read));
    } else if (state_->still_good(read)) {
      return {};
    } else {
      return std::unexpected(state_->failure());
    }
  }
}

std::expected<void, Failure> TlsFilter::send(std::string& clear, std::string& out) {
  if (!clear.empty() && SSL_is_init_finished(state_->ssl.get())) {
    const int written = SSL_write(state_->ssl.get(), clear.data(), static_cast<int>(clear.size()));
    if (written <= 0) return std::unexpected(state_->failure());
    clear.erase(0, static_cast<std::size_t>(written));
  }
  std::array<char, kPieceBytes> piece;
  for (;;) {
    const int read = BIO_read(state_->out, piece.data(), static_cast<int>(piece.size()));
    if (read <= 0) return {};
    out.append(piece.data(), static_cast<std::size_t>(read));
  }
}

}  // namespace tidegate::redis
