// Threads. This header and parallel.cpp are the only place that knows which threading runtime
// there is (OpenMP, or none).
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

namespace wpg {

/// Default: WPG_NUM_THREADS, then OMP_NUM_THREADS, then the processors this process may use.
int get_num_threads();

/// Throws std::invalid_argument unless 1 <= threads <= 1024.
void set_num_threads(int threads);

/// How much work a thread must have before one more is woken; for tests, which use threads on small
/// arrays, and for measurements.
void set_work_per_thread(std::int64_t work);

namespace detail {
using RangeBody = void (*)(void* context, std::int64_t begin, std::int64_t end);
void run_ranges(std::int64_t count, int threads, RangeBody body, void* context);
int threads_for(std::int64_t count, std::int64_t work_per_item);
}  // namespace detail

/// Calls body(begin, end) on disjoint ranges that cover 0..count; `work_per_item` is about one
/// unit per array element and decides whether waking threads pays at all.
///
/// The caller promises that an item's result does not depend on the range it falls in, so no bit
/// depends on the number of threads. Runs serially inside another parallel region, and in a child
/// that was forked after threads had been started: OpenMP's pool does not survive a fork.
template <class Body>
void parallel_for(std::int64_t count, std::int64_t work_per_item, Body&& body) {
  if (count <= 0) return;
  const int threads = detail::threads_for(count, work_per_item);
  if (threads <= 1) {
    body(std::int64_t{0}, count);
    return;
  }
  detail::run_ranges(
      count, threads,
      [](void* context, std::int64_t begin, std::int64_t end) {
        (*static_cast<std::remove_reference_t<Body>*>(context))(begin, end);
      },
      &body);
}

}  // namespace wpg
