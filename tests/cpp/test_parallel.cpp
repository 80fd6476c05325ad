// parallel_for: covers every item once, carries exceptions out, runs serially inside itself.
#include <atomic>
#include <stdexcept>
#include <thread>

#include "hash.hpp"
#include "wpg/base/parallel.hpp"

namespace {

constexpr std::int64_t kHeavy = 1 << 20;  // work that is worth waking threads for

void check_cover() {
  for (const int threads : {1, 2, 3, 7, 64}) {
    wpg::set_num_threads(threads);
    CHECK_EQUAL(wpg::get_num_threads(), threads);
    for (const std::int64_t count : {0, 1, 2, 5, 64, 1001}) {
      std::vector<std::atomic<int>> seen(static_cast<std::size_t>(count));
      wpg::parallel_for(count, kHeavy, [&](std::int64_t begin, std::int64_t end) {
        CHECK(begin < end);
        for (std::int64_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
      });
      for (const auto& times : seen) CHECK_EQUAL(times.load(), 1);
    }
  }
}

void check_small_work_stays_here() {
  wpg::set_num_threads(7);
  int calls = 0;
  wpg::parallel_for(100, 1, [&](std::int64_t begin, std::int64_t end) {
    ++calls;
    CHECK(begin == 0 && end == 100);
  });
  CHECK_EQUAL(calls, 1);
}

void check_exceptions() {
  for (const int threads : {1, 2, 7}) {
    wpg::set_num_threads(threads);
    std::atomic<int> calls{0};
    CHECK_REFUSED(wpg::parallel_for(7, kHeavy,
                                    [&](std::int64_t begin, std::int64_t) {
                                      ++calls;
                                      throw std::invalid_argument("range " + std::to_string(begin));
                                    }),
                  "range ");
    CHECK(calls >= 1);
    // The next region works as if nothing had happened.
    std::atomic<std::int64_t> sum{0};
    wpg::parallel_for(100, kHeavy, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) sum += i;
    });
    CHECK_EQUAL(sum.load(), 4950);
  }
}

void check_nested() {
  wpg::set_num_threads(3);
  std::atomic<int> inner_calls{0};
  std::atomic<std::int64_t> outer_ranges{0};
  wpg::parallel_for(3, kHeavy, [&](std::int64_t begin, std::int64_t end) {
    ++outer_ranges;
    for (std::int64_t i = begin; i < end; ++i) {
      wpg::parallel_for(5, kHeavy, [&](std::int64_t, std::int64_t) { ++inner_calls; });
    }
  });
#ifdef WPG_OPENMP
  CHECK_EQUAL(outer_ranges.load(), 3);
  CHECK_EQUAL(inner_calls.load(), 3);  // one range each: no threads inside threads
#else
  CHECK_EQUAL(outer_ranges.load(), 1);
#endif
}

void check_two_callers_at_once() {
  wpg::set_num_threads(2);
  const auto work = [] {
    for (int k = 0; k < 200; ++k) {
      std::vector<std::int64_t> squares(500);
      wpg::parallel_for(500, kHeavy, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) squares[static_cast<std::size_t>(i)] = i * i;
      });
      std::int64_t sum = 0;
      for (const std::int64_t x : squares) sum += x;
      if (sum != 41541750) return false;
    }
    return true;
  };
  bool other = false;
  std::thread thread([&] { other = work(); });
  const bool mine = work();
  thread.join();
  CHECK(mine && other);
}

void check_refusals() {
  wpg::set_num_threads(5);
  for (const int bad : {0, -1, 1025}) CHECK_REFUSED(wpg::set_num_threads(bad), "num_threads");
  CHECK_EQUAL(wpg::get_num_threads(), 5);
  const auto before = wpg::active_isa();
  CHECK_REFUSED(wpg::set_active_isa("nonsense"), "nonsense");
  CHECK(wpg::active_isa() == before);
  CHECK_EQUAL(std::string(wpg::isa_name(wpg::available_isas().front())), "base");
}

}  // namespace

int main() {
  wpg::set_work_per_thread(256);
  check_cover();
  check_small_work_stays_here();
  check_exceptions();
  check_nested();
  check_two_callers_at_once();
  check_refusals();
  return result();
}
