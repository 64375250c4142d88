// Time, and what is made of it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <thread>
#include <vector>

#include "bench/fail.hpp"

namespace tidegate::bench {

template <class Work>
double nanoseconds_of(Work&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
}

/// Microseconds of processor time that this process takes for it, however busy the machine is.
template <class Work>
double cpu_us_of(Work&& work) {
  const auto spent_us = [] {
    timespec spent{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
    return static_cast<double>(spent.tv_sec) * 1e6 + static_cast<double>(spent.tv_nsec) / 1e3;
  };
  const double start = spent_us();
  work();
  return spent_us() - start;
}

/// Runs `work(thread)` on `threads` threads and returns nanoseconds of wall time per decision made
/// by all of them together.
template <class Work>
double measure(unsigned threads, std::size_t decisions_each, Work&& work) {
  const double spent = nanoseconds_of([&] {
    std::vector<std::thread> others;
    for (unsigned t = 1; t < threads; ++t) others.emplace_back([&work, t] { work(t); });
    work(0);
    for (std::thread& other : others) other.join();
  });
  return spent / static_cast<double>(decisions_each * threads);
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Ends the program if not all were admitted: it would have measured something else.
inline void expect_all_admitted(std::size_t admitted, std::size_t decisions) {
  if (admitted != decisions) fail("a decision was denied that all should admit");
}

}  // namespace tidegate::bench
