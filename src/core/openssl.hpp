// What every use of OpenSSL needs.
#pragma once

#include <openssl/err.h>

#include <memory>
#include <string_view>

namespace tidegate::openssl {

template <auto Release>
struct Free {
  template <class T>
  void operator()(T* it) const {
    Release(it);
  }
};
/// Owns what OpenSSL hands out.
template <class T, auto Release>
using Owned = std::unique_ptr<T, Free<Release>>;

/// Within its life OpenSSL's errors of this thread are ours; those of whoever called us stay.
class QuietErrors {
 public:
  QuietErrors() { ERR_set_mark(); }
  QuietErrors(const QuietErrors&) = delete;
  QuietErrors& operator=(const QuietErrors&) = delete;
  ~QuietErrors() { ERR_pop_to_mark(); }
};

inline const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace tidegate::openssl
