#include "adapters/python/scope.hpp"

#include <algorithm>
#include <cctype>

#include "core/ascii.hpp"
#include "identity/forwarded.hpp"

namespace tidegate::python {
namespace {

/// Names of members, made once: looking a member up by a text that is there already is several
/// times cheaper. They live as long as the process.
struct Names {
  PyObject* method = PyUnicode_InternFromString("method");
  PyObject* raw_path = PyUnicode_InternFromString("raw_path");
  PyObject* path = PyUnicode_InternFromString("path");
  PyObject* headers = PyUnicode_InternFromString("headers");
  PyObject* client = PyUnicode_InternFromString("client");
};

const Names& names() {
  static const Names names;
  return names;
}

/// Borrowed; null where there is no such member.
PyObject* member(PyObject* dict, PyObject* name) {
  if (PyDict_Check(dict) == 0) return nullptr;
  PyObject* const found = PyDict_GetItemWithError(dict, name);
  if (found == nullptr && PyErr_Occurred() != nullptr) PyErr_Clear();
  return found;
}

std::optional<std::string_view> text_of(PyObject* object) {
  if (object == nullptr || PyUnicode_Check(object) == 0) return std::nullopt;
  Py_ssize_t size = 0;
  const char* const text = PyUnicode_AsUTF8AndSize(object, &size);
  if (text == nullptr) {  // it holds halves of characters
    PyErr_Clear();
    return std::nullopt;
  }
  return std::string_view(text, static_cast<std::size_t>(size));
}

std::optional<std::string_view> bytes_of(PyObject* object) {
  if (object == nullptr || PyBytes_Check(object) == 0) return std::nullopt;
  return std::string_view(PyBytes_AS_STRING(object),
                          static_cast<std::size_t>(PyBytes_GET_SIZE(object)));
}

/// The path as a client would have sent it.
void append_encoded(std::string_view path, std::string& out) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  constexpr std::string_view kPlain = "-._~!$&'()*+,;=:@/";
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || kPlain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
}

}  // namespace

void ScopeLines::each(std::string_view name, FunctionRef<bool(std::string_view)> use) const {
  if (headers_ == nullptr) return;
  PyObject* const lines = PySequence_Fast(headers_, "");
  if (lines == nullptr) return PyErr_Clear();
  const Py_ssize_t count = PySequence_Fast_GET_SIZE(lines);
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* const line = PySequence_Fast_GET_ITEM(lines, i);
    const bool tuple = PyTuple_Check(line) != 0;
    if (!tuple && PyList_Check(line) == 0) continue;
    if (PySequence_Fast_GET_SIZE(line) != 2) continue;
    const auto key = bytes_of(PySequence_Fast_GET_ITEM(line, 0));
    const auto value = bytes_of(PySequence_Fast_GET_ITEM(line, 1));
    if (key && value && equal_ignoring_case(*key, name) && !use(*value)) break;
  }
  Py_DECREF(lines);
}

ScopeRequest::ScopeRequest(PyObject* scope) : scope_(scope) {
  Py_INCREF(scope_);
  // A websocket's handshake is a GET.
  request.method = text_of(member(scope_, names().method)).value_or("GET");
  read_target();
  read_peer();
  lines_.emplace(member(scope_, names().headers));
  request.headers = &*lines_;
}

ScopeRequest::~ScopeRequest() { Py_DECREF(scope_); }

void ScopeRequest::read_target() {
  const auto raw = bytes_of(member(scope_, names().raw_path));
  if (raw && !raw->empty()) {
    request.target = *raw;
    return;
  }
  append_encoded(text_of(member(scope_, names().path)).value_or("/"), target_);
  request.target = target_;
}

void ScopeRequest::read_peer() {
  PyObject* const client = member(scope_, names().client);
  if (client == nullptr || (PyTuple_Check(client) == 0 && PyList_Check(client) == 0)) return;
  if (PySequence_Fast_GET_SIZE(client) == 0) return;
  if (const auto host = text_of(PySequence_Fast_GET_ITEM(client, 0))) {
    request.peer = IpAddress::parse(*host);
  }
}

bool ScopeRequest::peer_rewritten() const {
  if (!request.peer) return false;
  bool found = false;
  lines_->each(kForwardedHeader, [&](std::string_view list) {
    while (!found) {
      const std::size_t comma = list.find(',');
      found = parse_forwarded_entry(list.substr(0, comma)) == request.peer;
      if (comma == std::string_view::npos) break;
      list.remove_prefix(comma + 1);
    }
    return !found;
  });
  return found;
}

}  // namespace tidegate::python
