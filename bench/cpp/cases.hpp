// The measured routines. One file bench_<routine>.cpp adds the cases of one routine: what a call
// works on, what it has to do at least, and how its answer is checked before it is timed.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace wpg::bench {

/// What one call has to do at least.
///
/// `bytes` counts every array once, where the call reads it and where it writes it; what a cache
/// line costs before it is overwritten is not counted. `flops` counts additions, multiplications,
/// divisions, square roots and comparisons of floating point numbers, a fused multiply-add as two;
/// integer operations (all of Philox) are not counted.
struct Work {
  const char* unit = "element";  // what an item is
  double items = 0, bytes = 0, flops = 0;
};

struct Answer {
  double error = 0, allowed = 0;  // wrong if error > allowed, or NaN
};

/// A case with its arrays filled in.
struct Ready {
  Work work;
  std::function<void()> call;
  std::function<Answer()> check;  // asked after the first call, before any is timed
};

struct Case {
  std::string name;  // routine/shape/variant
  std::function<Ready()> prepare;
};

using Cases = std::vector<Case>;

void bench_normal(Cases& cases);
void bench_langevin(Cases& cases);
void bench_leimkuhler_matthews(Cases& cases);
void bench_svgd(Cases& cases);
void bench_blob(Cases& cases);
void bench_bandwidth(Cases& cases);
void bench_kde(Cases& cases);
void bench_mixture(Cases& cases);
void bench_kernel_q(Cases& cases);
void bench_flow(Cases& cases);
void bench_mlp(Cases& cases);

/// All of them, in the order of the tree under cpp/wpg.
Cases all_cases();

}  // namespace wpg::bench
