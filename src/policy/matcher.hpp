// Which rule a path and a method meet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tidegate {

/// Finds the rule of a path and method. Immutable and thread-safe once built.
///
/// Of all entries that match, the best is taken: the highest priority; then the most specific,
/// compared segment by segment from the left, a literal over `*`, `*` over the end of the pattern,
/// that over `**`; then the one given first. So a longer pattern beats a shorter one, but for `/a`
/// and
/// `/a/**`, where the longer one would leave nothing to the shorter.
///
/// The entries form a tree of segments, whose literal children are found by hash: in the usual case
/// a match costs one look per segment of the path, however many entries there are. Each `*` on the
/// way may double the branches to look at, but no node of the tree is ever visited twice, and none
/// that cannot hold a better entry than the one found.
class EndpointMatcher {
 public:
  struct Entry {
    std::string pattern;
    std::vector<std::string> methods;  ///< empty: all; GET includes HEAD. Case does not matter
    std::int64_t priority = 0;
    std::uint32_t rule = 0;  ///< the caller's index
  };
  EndpointMatcher();
  /// Precondition: every pattern passes validate_pattern.
  explicit EndpointMatcher(const std::vector<Entry>& entries);
  ~EndpointMatcher();
  EndpointMatcher(EndpointMatcher&&) noexcept;
  EndpointMatcher& operator=(EndpointMatcher&&) noexcept;

  /// Why one entry comes before another that matches the same path.
  struct Preference {
    enum class Reason : std::uint8_t { priority, specific, earlier } reason = Reason::earlier;
    std::size_t segment = 0;  ///< `specific`: the first in which they differ in kind, from 1
  };
  /// `better` is preferred to `worse`, or comes before it in the file and they are alike.
  [[nodiscard]] static Preference why_before(const Entry& better, const Entry& worse);

  static constexpr std::uint32_t kNoRule = ~std::uint32_t{0};
  /// The best entry's rule for a canonical path (see read_path), or kNoRule. An entry that does not
  /// list the method is passed over for the next best. Allocates nothing.
  [[nodiscard]] std::uint32_t match(std::string_view path, std::string_view method) const;

 private:
  struct Node;
  std::unique_ptr<Node> root_;
};

}  // namespace tidegate
