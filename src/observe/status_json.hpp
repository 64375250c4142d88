// A status as JSON, for the page of operators and for scripts. Pure.
#pragma once

#include <string>

#include "tidegate/status.hpp"

namespace tidegate {

/// Appends one JSON object. Times are microseconds of the wall clock, counts are totals:
///
///   {"version":"0.1.0","time_us":...,"started_us":...,"health":"ok","backend":"memory",
///    "breaker":"closed","failure_mode":"fail_open",
///    "reload":{"generation":1,"ok":0,"failed":0,"last_error":null,"last_error_us":null},
///    "store":{"entries":..,"capacity":..,"evictions":..,"overflow":..,"conflicts":..,
///             "repairs":..},
///    "redis":{"latency":{"check":{"count":..,"sum_us":..}},
///             "errors":[{"operation":"check","type":"timeout","count":..}]},
///    "totals":[{"endpoint":"search","tier":"anonymous",
///               "requests":{"allowed":..,"denied":..,"exempt":..,"failed_open":..,
///                           "failed_closed":..,"shadow":..},
///               "exceeded":{"ip":..,"user":..,"key":..}}],
///    "busiest":[{"endpoint":..,"tier":..,"client":"ip:203.0.113.7","used":19,"limit":20}],
///    "tokens":{"valid":..},"identity_warnings":{"untrusted_proxy":..},"admin_denied":0,"log_lines_lost":0,
///    "warnings":[".."]}
///
/// Always valid JSON and UTF-8, whatever bytes a client's text holds.
void append_status_json(const Status& status, std::string& out);

}  // namespace tidegate
