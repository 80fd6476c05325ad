// From timings to figures: the table that is printed, and JSON in the schema of Google Benchmark,
// so that scripts written for that one work.
#pragma once

#include <string>
#include <vector>

#include "cases.hpp"
#include "ceilings.hpp"
#include "harness.hpp"

namespace wpg::bench {

/// What figures depend on.
struct Context {
  std::string date, cpu_model, isa, compiler, version;
  int cpus = 0, threads = 0;
  double mhz = 0;
  struct Cache {
    std::string type;
    int level = 0, sharing = 0;
    long long size = 0;
  };
  std::vector<Cache> caches;
  std::vector<double> load;
  bool optimised = false;
  Ceilings ceilings;
};

/// All of it but the ceilings.
Context context_of_this_machine();

struct Measured {
  std::string name;
  Work work;
  Timing timing;
};

/// As a JSON object; the ceilings are left out unless they have been measured.
std::string json(const Context& context);

/// The lines above the table and its head.
std::string table_head(const Context& context);

/// One line: nanoseconds an item (least, median, spread), rates, and fractions of the ceilings.
std::string table_row(const Measured& measured, const Context& context);

/// Every repetition as an entry of run_type "iteration", then the least, the median and the MAD as
/// "aggregate". Rates are of real time with several threads, of processor time with one.
std::string json(const std::vector<Measured>& all, const Context& context);

}  // namespace wpg::bench
