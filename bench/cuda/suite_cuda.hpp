// Runs the CUDA cases and turns timings into a table and JSON.
#pragma once

#include <functional>
#include <string>

#include "cases_cuda.hpp"

namespace wpg::bench {

struct DeviceOptions {
  std::string filter;   // cases whose name contains it
  std::string command;  // for the record
  std::string date;     // "": today's
  Protocol protocol;
  Sizes sizes;
};

struct DeviceReport {
  int wrong = 0;   // cases that gave a wrong answer or ended in an error; they were not timed
  int missed = 0;  // cases below the fraction that is wanted of them
};

std::vector<std::string> device_case_names(const Sizes& sizes);

/// Measures the ceilings, then every case that the filter lets through; `say` gets the table line
/// by line, and `save` after every case all that has been measured, as JSON: a run that is stopped
/// has what it has. A case that fails is reported, and the next one follows. Throws
/// std::invalid_argument for bad options.
DeviceReport run_on_device(const DeviceOptions& options,
                           const std::function<void(const std::string&)>& say,
                           const std::function<void(const std::string&)>& save);

}  // namespace wpg::bench
