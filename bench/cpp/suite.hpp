// Runs the cases: for the program wpg_bench and for `wpg bench`.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cases.hpp"
#include "harness.hpp"

namespace wpg::bench {

struct Options {
  std::string filter;  // cases whose name contains it
  Protocol protocol;
  int threads = 1;
};

/// Names of all cases.
std::vector<std::string> names();

/// Measures the ceilings and every case that the filter lets through; `say` gets the table line by
/// line. Returns JSON (report.hpp). Throws std::invalid_argument for bad options, with the names if
/// the filter lets nothing through, and std::runtime_error if a case gives a wrong answer.
std::string run(const Options& options, const std::function<void(const std::string&)>& say);

}  // namespace wpg::bench
