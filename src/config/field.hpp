// A key of a table: where its value goes, what it may be, and what a table of keys says about it.
//
//   const Fields<MemoryConfig>& memory_fields() {
//     static const Fields<MemoryConfig> fields{
//         field("capacity", &MemoryConfig::capacity, integer<std::uint64_t>(8, 100), "entries
//         held"),
//     };
//     return fields;
//   }
//
// From one list come the reading of TOML, the checks of a configuration built by hand, the
// suggestions for unknown keys, the names of environment variables and docs/configuration.md.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "config/findings.hpp"
#include "config/keys.hpp"
#include "config/kind.hpp"

namespace tidegate::config {

template <class T>
struct Field {
  std::string key;
  std::vector<KeyDoc> docs;  ///< one for a value; one per key for a table, the table's key in front
  bool required = false;
  std::function<void(Findings&, const std::string& path, const Node&, T&)> read;
  /// What `read` checks, for a value that was not read. May be empty: nothing to check.
  std::function<void(Findings&, const std::string& path, const T&)> check;
};

template <class T>
using Fields = std::vector<Field<T>>;

/// One value, which goes to a member.
template <class T, class V>
Field<T> field(const std::string& key, V T::* member, const Kind<V>& kind,
               const std::string& about) {
  return {
      .key = key,
      .docs = {{key, kind.type, kind.write(T{}.*member), kind.allowed, about}},
      .read =
          [member, kind](Findings& findings, const std::string& path, const Node& node, T& out) {
            const std::optional<V> value = kind.read(node);
            const auto problem = value ? kind.problem(*value) : std::string{};
            if (problem) {
              const bool hide = kind.secret && node.as<std::string>() != nullptr;
              findings.fault(
                  path, refusal(hide ? "another string" : describe(node), kind.allowed, *problem));
            } else {
              out.*member = *value;
            }
          },
      .check =
          [member, kind](Findings& findings, const std::string& path, const T& value) {
            if (const auto problem = kind.problem(value.*member)) {
              findings.fault(path,
                             refusal(kind.secret ? "another string" : kind.write(value.*member),
                                     kind.allowed, *problem));
            }
          },
  };
}

/// The same for a key that has no default.
template <class T>
Field<T> required(Field<T> field) {
  field.required = true;
  for (KeyDoc& doc : field.docs) doc.standard = "required";
  return field;
}

/// The same for a key whose default is best said in words.
template <class T>
Field<T> with_default(Field<T> field, const std::string& standard) {
  field.docs.front().standard = standard;
  return field;
}

enum class Emptiness : std::uint8_t { allowed, refused };

/// A list of values that differ from each other. Where the default is the empty list, refusing it
/// means that it may not be written: it would say the opposite of what the default means.
template <class T>
Field<T> list(const std::string& key, std::vector<std::string> T::* member,
              const Kind<std::string>& kind, Emptiness emptiness, const std::string& about) {
  const std::string allowed = fmt::format(
      "{}array of: {}", emptiness == Emptiness::refused ? "a non-empty " : "an ", kind.allowed);
  std::string standard;
  const T defaults{};
  for (const std::string& item : defaults.*member) {
    standard += (standard.empty() ? "" : ", ") + kind.write(item);
  }
  return {
      .key = key,
      .docs = {{key, "array", "[" + standard + "]", allowed, about}},
      .read =
          [=](Findings& findings, const std::string& path, const Node& node, T& out) {
            const auto* items = node.as<Array>();
            if (items == nullptr || (items->empty() && emptiness == Emptiness::refused)) {
              return findings.fault(
                  path, refusal(items == nullptr ? describe(node) : "an empty array", allowed));
            }
            std::vector<std::string> values;
            std::set<std::string> seen;
            for (std::size_t i = 0; i < items->size(); ++i) {
              const std::string item = fmt::format("{}[{}]", path, i);
              findings.place(item, (*items)[i].place);
              const auto value = kind.read((*items)[i]);
              const auto problem = value ? kind.problem(*value) : std::string{};
              if (problem) {
                findings.fault(item, refusal(describe((*items)[i]), kind.allowed, *problem));
              } else if (!seen.insert(*value).second) {
                findings.fault(item, refusal(describe((*items)[i]) + " twice", "each item once"));
              }
              values.push_back(value.value_or(""));
            }
            out.*member = std::move(values);
          },
      .check =
          [=](Findings& findings, const std::string& path, const T& out) {
            const std::vector<std::string>& values = out.*member;
            if (values.empty() && emptiness == Emptiness::refused && !(T{}.*member).empty()) {
              findings.fault(path, refusal("an empty array", allowed));
            }
            for (std::size_t i = 0; i < values.size(); ++i) {
              if (const auto problem = kind.problem(values[i])) {
                findings.fault(fmt::format("{}[{}]", path, i),
                               refusal(kind.write(values[i]), kind.allowed, *problem));
              }
            }
          },
  };
}

/// Reads each key of a table; unknown keys and missing ones are faults. A node that is no table is
/// one fault, and false.
template <class T>
bool read_table(Findings& findings, const std::string& path, const Node& node,
                const Fields<T>& fields, T& out) {
  const auto* table = node.as<Table>();
  if (table == nullptr) {
    findings.fault(path, refusal(describe(node), "a table"));
    return false;
  }
  for (const Entry& entry : *table) {
    const auto known = std::ranges::find(fields, entry.key, &Field<T>::key);
    const std::string key_path = path + "." + path_key(entry.key);
    if (known == fields.end()) {
      std::vector<std::string> siblings;
      for (const Field<T>& field : fields) siblings.push_back(field.key);
      findings.fault_at(entry.place, key_path, unknown_key(entry.key, siblings));
    } else {
      findings.place(key_path, entry.value.place);
      known->read(findings, key_path, entry.value, out);
    }
  }
  for (const Field<T>& field : fields) {
    const std::string key_path = path + "." + field.key;
    if (field.required && !findings.given(key_path)) {
      findings.fault(key_path,
                     refusal("nothing", field.docs.front().allowed, "the key is missing"));
    }
  }
  return true;
}

/// The checks of read_table for values that were not read.
template <class T>
void check_table(Findings& findings, const std::string& path, const Fields<T>& fields,
                 const T& value) {
  for (const Field<T>& field : fields) {
    if (field.check) field.check(findings, path + "." + field.key, value);
  }
}

template <class T>
std::vector<KeyDoc> docs_below(const std::string& prefix, const Fields<T>& fields) {
  std::vector<KeyDoc> docs;
  for (const Field<T>& field : fields) {
    for (KeyDoc doc : field.docs) {
      doc.path = prefix + doc.path;
      docs.push_back(std::move(doc));
    }
  }
  return docs;
}

/// A table that fills a member. `fields` must live for ever.
template <class T, class S>
Field<T> table(const std::string& key, S T::* member, const Fields<S>& fields) {
  return {
      .key = key,
      .docs = docs_below(key + ".", fields),
      .read = [member, &fields](Findings& findings, const std::string& path, const Node& node,
                                T& out) { read_table(findings, path, node, fields, out.*member); },
      .check = [member, &fields](
                   Findings& findings, const std::string& path,
                   const T& value) { check_table(findings, path, fields, value.*member); },
  };
}

/// The same for a table whose presence means something.
template <class T, class S>
Field<T> table(const std::string& key, std::optional<S> T::* member, const Fields<S>& fields) {
  return {
      .key = key,
      .docs = docs_below(key + ".", fields),
      .read = [member, &fields](
                  Findings& findings, const std::string& path, const Node& node,
                  T& out) { read_table(findings, path, node, fields, (out.*member).emplace()); },
      .check =
          [member, &fields](Findings& findings, const std::string& path, const T& value) {
            if (value.*member) check_table(findings, path, fields, *(value.*member));
          },
  };
}

/// An array of tables. `finish(findings, path, item)` is called for each when its keys were read.
/// A faulty item is kept, so that the numbers in paths stay right.
template <class T, class S>
Field<T> tables(
    const std::string& key, std::vector<S> T::* member, const Fields<S>& fields,
    const std::type_identity_t<std::function<void(Findings&, const std::string& path, S&)>>&
        finish = nullptr) {
  return {
      .key = key,
      .docs = docs_below(key + "[].", fields),
      .read =
          [member, &fields, finish](Findings& findings, const std::string& path, const Node& node,
                                    T& out) {
            const auto* items = node.as<Array>();
            if (items == nullptr) {
              return findings.fault(path, refusal(describe(node), "an array of tables"));
            }
            (out.*member).clear();
            for (const Node& item : *items) {
              const std::string item_path = fmt::format("{}[{}]", path, (out.*member).size());
              findings.place(item_path, item.place);
              S& value = (out.*member).emplace_back();
              if (read_table(findings, item_path, item, fields, value) && finish) {
                finish(findings, item_path, value);
              }
            }
          },
      .check =
          [member, &fields](Findings& findings, const std::string& path, const T& value) {
            for (std::size_t i = 0; i < (value.*member).size(); ++i) {
              check_table(findings, fmt::format("{}[{}]", path, i), fields, (value.*member)[i]);
            }
          },
  };
}

}  // namespace tidegate::config
