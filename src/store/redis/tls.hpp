// TLS as a filter between the network and the protocol, over OpenSSL's memory buffers: so that no
// driver has to know of it.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "store/redis/failure.hpp"
#include "tidegate/error.hpp"

namespace tidegate::redis {

struct TlsOptions {
  std::string ca;           ///< PEM; "": whom the system trusts
  std::string certificate;  ///< PEM, of ours; "": none
  std::string key;          ///< PEM, of that certificate
  bool verify = true;       ///< the server's certificate and name
};

/// What connections share. Immutable; thread-safe.
class TlsContext {
 public:
  /// The error says which text is no certificate or key.
  [[nodiscard]] static std::expected<TlsContext, Error> create(const TlsOptions& options);
  TlsContext(TlsContext&&) noexcept;
  TlsContext& operator=(TlsContext&&) noexcept;
  ~TlsContext();

 private:
  friend class TlsFilter;
  struct State;
  explicit TlsContext(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// One connection as its client. An error ends it; its failure is auth where the certificate is not
/// trusted.
class TlsFilter {
 public:
  /// `host` is the name or address that the server's certificate must be for.
  TlsFilter(const TlsContext& context, const std::string& host);
  TlsFilter(TlsFilter&&) noexcept;
  TlsFilter& operator=(TlsFilter&&) noexcept;
  ~TlsFilter();

  [[nodiscard]] std::expected<void, Failure> begin();
  /// Takes bytes of the network and appends what they say.
  [[nodiscard]] std::expected<void, Failure> received(std::string_view bytes, std::string& clear);
  /// Takes what is to be said out of `clear`, as soon as the handshake is over, and appends what is
  /// to be written to the network.
  [[nodiscard]] std::expected<void, Failure> send(std::string& clear, std::string& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tidegate::redis
