// The harness of the benchmarks: its statistics, how many calls it makes, and what it prints.
#include <limits>

#include "check.hpp"
#include "harness.hpp"
#include "report.hpp"
#include "suite.hpp"

using namespace wpg::bench;

namespace {

void check_spread() {
  const Spread odd = spread_of({5, 1, 2, 4, 100});
  CHECK_EQUAL(odd.least, 1);
  CHECK_EQUAL(odd.median, 4);
  CHECK_EQUAL(odd.mad, 2);  // of 1, 3, 2, 0, 96
  CHECK_EQUAL(odd.relative(), 0.5);
  const Spread even = spread_of({4, 2, 8, 6});
  CHECK_EQUAL(even.median, 5);
  CHECK_EQUAL(even.mad, 2);  // of 1, 3, 3, 1
  CHECK_EQUAL(spread_of({3}).mad, 0);
  CHECK_REFUSED(spread_of({}), "no numbers");
}

/// A clock that a call moves by 0.25 s of wall and 0.125 s of processor time: exact in binary.
void check_measure() {
  Instant time;
  long calls = 0;
  const auto call = [&] {
    ++calls;
    time.wall += 0.25;
    time.cpu += 0.125;
  };
  const auto now = [&] { return time; };
  const Timing timing = measure({3, 1.0}, call, now);
  // One call is too short; 1.1 * 1 / 0.25 calls, rounded down, are enough.
  CHECK_EQUAL(timing.iterations, 4);
  CHECK_EQUAL(calls, 1 + 4 + 3 * 4);
  CHECK(timing.wall == std::vector<double>(3, 0.25));
  CHECK(timing.cpu == std::vector<double>(3, 0.125));
  // From one length to the next at most ten times as many.
  calls = 0;
  const Timing long_timing = measure({1, 60.0}, call, now);
  CHECK_EQUAL(long_timing.iterations, 264);
  CHECK_EQUAL(calls, 1 + 10 + 100 + 264 + 264);
  CHECK_REFUSED(measure({0, 1.0}, call, now), "repetitions is 0");
  CHECK_REFUSED(measure({1, 0.0}, call, now), "min_time");
  CHECK_REFUSED(measure({1, 61.0}, call, now), "min_time");
  CHECK_REFUSED(measure({1, std::numeric_limits<double>::quiet_NaN()}, call, now), "min_time");
}

/// Rates and fractions of a case of which everything is known: 10 items, 40 bytes and 80 operations
/// in 4 seconds of processor time on a machine that copies 20 bytes and does 100 operations a
/// second.
void check_json() {
  Context context;
  context.threads = 1;
  context.cpu_model = "a \"quoted\" name";
  context.ceilings.copy_bytes_per_second = 20;
  context.ceilings.fma_flops_per_second = 100;
  const Measured measured{"routine/shape", {"pair", 10, 40, 80}, {7, {5, 6}, {4, 4}}};
  const std::string text = json({measured}, context);
  for (const char* part :
       {"\"cpu_model\": \"a \\\"quoted\\\" name\"", "\"name\": \"routine/shape\"",
        "\"run_type\": \"iteration\"", "\"repetition_index\": 1", "\"iterations\": 7",
        "\"real_time\": 5000000000", "\"cpu_time\": 4000000000", "\"time_unit\": \"ns\"",
        "\"bytes_per_second\": 10", "\"items_per_second\": 2.5", "\"ns_per_item\": 400000000",
        "\"flops_per_second\": 20", "\"fraction_of_copy\": 0.5", "\"fraction_of_fma\": 0.2",
        "\"name\": \"routine/shape_least\"", "\"aggregate_name\": \"median\"",
        "\"real_time\": 5500000000"}) {
    report(text.find(part) != std::string::npos, __FILE__, __LINE__, std::string("no ") + part);
  }
  CHECK(table_row(measured, context).find("50 %") != std::string::npos);
  // Several threads are timed by the wall: 5 seconds, the least.
  context.threads = 2;
  CHECK(table_row(measured, context).find("5e+08") != std::string::npos);
  CHECK(json({}, context).find("\"benchmarks\": []") != std::string::npos);
}

void check_run() {
  int lines = 0;
  const auto say = [&](const std::string&) { ++lines; };
  const std::string text = run({"langevin/1x16x1", {2, 1e-4}, 1}, say);
  CHECK_EQUAL(lines, 2);  // the head and one row
  CHECK(text.find("\"library_version\": \"" WPG_VERSION "\"") != std::string::npos);
  CHECK_REFUSED(run({"nothing", {2, 1e-4}, 1}, say), "langevin/1x16x1/box");
  CHECK_REFUSED(run({"", {2, 1e-4}, 0}, say), "num_threads is 0");
  CHECK_EQUAL(lines, 2);
}

/// Every case gives the answer that it is checked against, at its full size.
void check_answers() {
  for (const Case& each : all_cases()) {
    const Ready ready = each.prepare();
    ready.call();
    const Answer answer = ready.check();
    report(answer.error <= answer.allowed, __FILE__, __LINE__,
           both(each.name.c_str(), answer.error, answer.allowed));
    CHECK(ready.work.items > 0 && ready.work.bytes > 0 && ready.work.flops > 0);
  }
}

}  // namespace

int main() {
  check_spread();
  check_measure();
  check_json();
  check_run();
  check_answers();
  return result();
}
