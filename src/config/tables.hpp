// The keys of each table below [rate_limiting].
#pragma once

#include "config/field.hpp"
#include "tidegate/config.hpp"

namespace tidegate::config {

[[nodiscard]] const Fields<MemoryConfig>& memory_fields();
[[nodiscard]] const Fields<RedisConfig>& redis_fields();
[[nodiscard]] const Fields<ClientIdentificationConfig>& client_identification_fields();
[[nodiscard]] const Fields<ProgressivePenaltiesConfig>& progressive_penalties_fields();
[[nodiscard]] const Fields<ExemptionConfig>& exemption_fields();
[[nodiscard]] const Fields<TierConfig>& tier_fields();
[[nodiscard]] const Fields<EndpointConfig>& endpoint_fields();
/// [rate_limiting] itself, with everything below.
[[nodiscard]] const Fields<RateLimitConfig>& root_fields();

/// To be called for each when its keys were read: takes what is unlimited, fills in default names.
void finish_tier(Findings& findings, const std::string& path, TierConfig& tier);
void finish_endpoint(Findings& findings, const std::string& path, EndpointConfig& endpoint);

}  // namespace tidegate::config
