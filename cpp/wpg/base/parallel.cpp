#include "wpg/base/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#ifdef WPG_OPENMP
#include <omp.h>
#endif
#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif

namespace wpg {
namespace {

// Less work than this for each thread, about 0.1 ms, and waking threads that wait passively costs
// more than it saves: a training run of many small calls was slower on two threads than on one.
std::atomic<std::int64_t> work_per_thread{131072};
constexpr int kMostThreads = 1024;

int from_environment(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr) return 0;
  const long value = std::strtol(text, nullptr, 10);
  return value >= 1 && value <= kMostThreads ? static_cast<int>(value) : 0;
}

int default_threads() {
  if (const int n = from_environment("WPG_NUM_THREADS")) return n;
  if (const int n = from_environment("OMP_NUM_THREADS")) return n;
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

std::atomic<int>& configured() {
  static std::atomic<int> threads{default_threads()};
  return threads;
}

// Set in a child that was forked after this process had started OpenMP threads. libgomp would wait
// for workers that exist only in the parent, for ever; so the child works alone.
std::atomic<bool> pool_started{false};
std::atomic<bool> pool_lost{false};

#if defined(WPG_OPENMP) && defined(__linux__)
void after_fork_in_child() {
  if (pool_started.load(std::memory_order_relaxed)) pool_lost.store(true);
}
[[maybe_unused]] const int registered = pthread_atfork(nullptr, nullptr, after_fork_in_child);
#endif

#ifdef WPG_OPENMP
// The thread sanitizer does not see what libgomp does between threads and would call it races.
#ifdef __SANITIZE_THREAD__
#define WPG_PLAIN_THREADS
thread_local bool inside_team = false;
bool in_parallel() { return inside_team; }
#else
bool in_parallel() { return omp_in_parallel() != 0; }
#endif
#endif

}  // namespace

int get_num_threads() { return configured().load(std::memory_order_relaxed); }

void set_num_threads(int threads) {
  if (threads < 1 || threads > kMostThreads) {
    throw std::invalid_argument("num_threads is " + std::to_string(threads) +
                                "; it must be between 1 and " + std::to_string(kMostThreads));
  }
  configured().store(threads, std::memory_order_relaxed);
}

void set_work_per_thread(std::int64_t work) {
  if (work < 1) throw std::invalid_argument("work_per_thread must be at least 1");
  work_per_thread.store(work, std::memory_order_relaxed);
}

namespace detail {

int threads_for(std::int64_t count, std::int64_t work_per_item) {
#ifdef WPG_OPENMP
  const int wished = get_num_threads();
  if (wished <= 1 || pool_lost.load(std::memory_order_relaxed) || in_parallel()) return 1;
  const std::int64_t work = count * std::max<std::int64_t>(1, work_per_item);
  return static_cast<int>(std::min(
      {std::int64_t{wished}, count, work / work_per_thread.load(std::memory_order_relaxed)}));
#else
  (void)count;
  (void)work_per_item;
  return 1;
#endif
}

void run_ranges(std::int64_t count, int threads, RangeBody body, void* context) {
#ifdef WPG_OPENMP
  pool_started.store(true, std::memory_order_relaxed);
  // An exception may not leave an OpenMP region: the first one is carried out and thrown again.
  std::exception_ptr failure;
  std::atomic<bool> failed{false};
  const auto work = [&](int t) {
    try {
      body(context, count * t / threads, count * (t + 1) / threads);
    } catch (...) {
      if (!failed.exchange(true)) failure = std::current_exception();
    }
  };
#ifdef WPG_PLAIN_THREADS
  std::vector<std::thread> team;
  for (int t = 0; t < threads; ++t) {
    team.emplace_back([&work, t] {
      inside_team = true;
      work(t);
    });
  }
  for (std::thread& thread : team) thread.join();
#else
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int t = 0; t < threads; ++t) work(t);
#endif
  if (failure) std::rethrow_exception(failure);
#else
  (void)threads;
  body(context, 0, count);
#endif
}

}  // namespace detail
}  // namespace wpg
