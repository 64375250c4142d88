#include "config/tables.hpp"

namespace tidegate::config {

const Fields<MemoryConfig>& memory_fields() {
  // Two slots of 16 bytes an entry: the largest table takes 64 GiB, the smallest is one bucket.
  constexpr std::uint64_t kMinCapacity = 8;
  constexpr std::uint64_t kMaxEntries = std::uint64_t{1} << 31;
  static const Fields<MemoryConfig> fields{
      field("capacity", &MemoryConfig::capacity, integer<std::uint64_t>(kMinCapacity, kMaxEntries),
            "entries held at once, one per client, rule and window; 32 bytes each"),
      field("segment", &MemoryConfig::segment,
            or_empty(file_safe_name(), "memory private to this process and its children"),
            "shared by every process on this host that names it"),
      field("mode", &MemoryConfig::mode, file_mode(), "who may share the segment"),
      field("group", &MemoryConfig::group, or_empty(file_safe_name(), "the process's own"),
            "the group the segment belongs to"),
      field("log_slots", &MemoryConfig::log_slots, integer<std::uint64_t>(0, kMaxEntries),
            "timestamps for sliding_window; 8 bytes each"),
  };
  return fields;
}

}  // namespace tidegate::config
