#include "suite_cuda.hpp"

#include <ctime>
#include <stdexcept>
#include <tuple>

#include "ceilings_cuda.hpp"
#include "json_text.hpp"

namespace wpg::bench {
namespace {

constexpr double kOperationsOfExponential = 14;  // its polynomial's, bench/cpp

std::string today() {
  const std::time_t seconds = std::time(nullptr);
  char text[16];
  std::strftime(text, sizeof(text), "%Y-%m-%d", std::localtime(&seconds));
  return text;
}

std::string json_of(const Spread& spread) {
  return Object()
      .number("least", spread.least)
      .number("median", spread.median)
      .number("mad", spread.mad)
      .str();
}

std::string machine_json() {
  const Card found = card();
  return Object()
      .text("card", found.name)
      .text("compute capability", found.capability)
      .number("multiprocessors", found.multiprocessors)
      .number("memory, GiB", found.memory_gib)
      .number("second-level cache, MiB", found.second_level_cache_mib)
      .text("driver", found.driver)
      .text("toolkit", found.toolkit)
      .text("runtime", found.runtime)
      .text("wpg", WPG_VERSION)
      .str();
}

void require_right(const Answer& answer) {
  if (answer.error <= answer.allowed) return;
  throw std::runtime_error(format("wrong answer: its error is %.3g, allowed is %.3g; not timed",
                                  answer.error, answer.allowed));
}

struct Line {
  std::string row, json;
  bool missed = false;
};

Line measure_case(const DeviceCase& chosen, const Protocol& protocol,
                  const DeviceCeilings& ceilings) {
  const Ready ready = chosen.prepare();
  ready.call();
  const Answer answer = ready.check();
  require_right(answer);
  DeviceClock clock;
  const Timing timing = measure(protocol, ready.call, clock);
  const Spread spread = spread_of(timing.wall);
  const Work& work = ready.work;
  const double bytes = work.bytes / spread.least, flops = work.flops / spread.least;
  const double of_copy = bytes / ceilings.copy_bytes_per_second;
  const double of_fma = flops / ceilings.fma_flops_per_second;
  const double with_polynomials =
      (work.flops + (kOperationsOfExponential - 1) * chosen.exponentials) / spread.least /
      ceilings.fma_flops_per_second;
  Object json;
  json.text("item", work.unit)
      .number("items", work.items)
      .number("bytes", work.bytes)
      .number("operations", work.flops)
      .number("exponentials among them", chosen.exponentials)
      .number("calls in a repetition", static_cast<double>(timing.iterations))
      .number("repetitions", protocol.repetitions)
      .raw("seconds", json_of(spread))
      .number("ns_per_item", 1e9 * spread.least / work.items)
      .number("bytes_per_second", bytes)
      .number("flops_per_second", flops)
      .number("fraction_of_copy", of_copy)
      .number("fraction_of_fma", of_fma)
      .number("fraction_of_fma, an exponential as 14", with_polynomials)
      .number("error", answer.error)
      .number("allowed", answer.allowed);
  Line line;
  line.row =
      format("%-42s %-8s %9.4g %9.4g %5.1f %% %8.4g %5.0f %% %8.4g %5.0f %%", chosen.name.c_str(),
             work.unit, 1e9 * spread.least / work.items, 1e9 * spread.median / work.items,
             100 * spread.relative(), 1e-9 * bytes, 100 * of_copy, 1e-9 * flops, 100 * of_fma);
  if (chosen.bound != Ceiling::none) {
    const double reached = chosen.bound == Ceiling::copy ? of_copy : of_fma;
    line.missed = !(reached >= chosen.wanted);
    json.text("wanted of", chosen.bound == Ceiling::copy ? "copy" : "multiply-add")
        .number("wanted", chosen.wanted)
        .raw("reached", line.missed ? "false" : "true");
    line.row +=
        format("   wanted %.0f %% of %s%s", 100 * chosen.wanted,
               chosen.bound == Ceiling::copy ? "copy" : "FMA", line.missed ? ": missed" : "");
  }
  line.json = json.str();
  return line;
}

/// Round by round, and who begins changes.
Line measure_ratio(const RatioCase& chosen, const Protocol& protocol) {
  const RatioCase::Ready ready = chosen.prepare();
  ready.first();
  ready.second();
  const Answer answer = ready.check();
  require_right(answer);
  DeviceClock clock;
  const std::function<void()>* const calls[2] = {&ready.first, &ready.second};
  std::int64_t count[2];
  for (int which : {0, 1}) {
    count[which] = measure({1, protocol.min_time}, *calls[which], clock).iterations;
  }
  std::vector<double> times[2], ratios;
  for (int round = 0; round < protocol.repetitions; ++round) {
    for (int turn : {0, 1}) {
      const int which = (turn + round) % 2;
      const double begin = clock().wall;
      for (std::int64_t i = 0; i < count[which]; ++i) (*calls[which])();
      times[which].push_back((clock().wall - begin) / static_cast<double>(count[which]));
    }
    ratios.push_back(times[0].back() / times[1].back());
  }
  const Spread ratio = spread_of(ratios), first = spread_of(times[0]), second = spread_of(times[1]);
  Object json;
  json.text("first", chosen.first)
      .text("second", chosen.second)
      .raw("seconds of the first", json_of(first))
      .raw("seconds of the second", json_of(second))
      .raw("ratio", json_of(ratio))
      .number("repetitions", protocol.repetitions)
      .number("error", answer.error)
      .number("allowed", answer.allowed);
  Line line;
  line.row = format("%-42s %.4g ms over %.4g ms, ratio %.3f (least %.3f, spread %.1f %%)",
                    chosen.name.c_str(), 1e3 * first.least, 1e3 * second.least, ratio.median,
                    ratio.least, 100 * ratio.relative());
  if (chosen.wanted > 0) {
    line.missed = !(ratio.median <= chosen.wanted);
    json.number("wanted at most", chosen.wanted).raw("reached", line.missed ? "false" : "true");
    line.row += format("   wanted %.2f at most%s", chosen.wanted, line.missed ? ": missed" : "");
  }
  line.json = json.str();
  return line;
}

std::string head(const DeviceCeilings& ceilings) {
  const Card found = card();
  std::string text =
      format("%s, compute capability %s, %d multiprocessors, %.0f GiB\n", found.name.c_str(),
             found.capability.c_str(), found.multiprocessors, found.memory_gib);
  text += format("driver %s, toolkit %s, wpg %s\n", found.driver.c_str(), found.toolkit.c_str(),
                 WPG_VERSION);
  text += format(
      "ceilings: copy %.0f GB/s (read + written, %s, spread %.1f %%), float32 multiply-add %.0f "
      "GFLOP/s (%s, spread %.1f %%)\n\n",
      1e-9 * ceilings.copy_bytes_per_second, ceilings.fastest_copy.c_str(),
      100 * ceilings.copy_spread, 1e-9 * ceilings.fma_flops_per_second,
      ceilings.fastest_chains.c_str(), 100 * ceilings.fma_spread);
  return text + format("%-42s %-8s %9s %9s %7s %8s %7s %8s %7s", "case", "item", "ns: least",
                       "median", "spread", "GB/s", "of copy", "GFLOP/s", "of FMA");
}

bool lets_through(const std::string& filter, const std::string& name) {
  return name.find(filter) != std::string::npos;
}

}  // namespace

std::vector<std::string> device_case_names(const Sizes& sizes) {
  const DeviceCases all = all_device_cases(sizes);
  std::vector<std::string> names;
  for (const DeviceCase& each : all.cases) names.push_back(each.name);
  for (const RatioCase& each : all.ratios) names.push_back(each.name);
  return names;
}

DeviceReport run_on_device(const DeviceOptions& options,
                           const std::function<void(const std::string&)>& say,
                           const std::function<void(const std::string&)>& save) {
  require_protocol(options.protocol);
  const DeviceCases all = all_device_cases(options.sizes);
  std::string list;
  bool any = false;
  for (const std::string& name : device_case_names(options.sizes)) {
    list += (list.empty() ? "" : ", ") + name;
    any = any || lets_through(options.filter, name);
  }
  if (!any) {
    throw std::invalid_argument("no case has '" + options.filter + "' in its name; there are " +
                                list);
  }
  // Arrays of 1 GiB: many times any second-level cache.
  const bool small = options.sizes.small;
  const DeviceCeilings ceilings = measure_device_ceilings(
      options.protocol, small ? 1 << 16 : std::int64_t{1} << 30, small ? 16 : 4096);
  say(head(ceilings));
  DeviceReport report;
  Object figures, wrong;
  figures.raw("ceilings", Object()
                              .number("copy_bytes_per_second", ceilings.copy_bytes_per_second)
                              .number("copy_spread", ceilings.copy_spread)
                              .text("fastest copy", ceilings.fastest_copy)
                              .number("fma_flops_per_second", ceilings.fma_flops_per_second)
                              .number("fma_spread", ceilings.fma_spread)
                              .text("fastest chains", ceilings.fastest_chains)
                              .str());
  const auto add = [&](const std::string& name, const auto& measured) {
    if (!lets_through(options.filter, name)) return;
    try {
      const Line line = measured();
      say(line.row);
      figures.raw(name.c_str(), "\n" + line.json);
      report.missed += line.missed;
    } catch (const std::exception& error) {
      say(name + ": " + error.what());
      wrong.text(name.c_str(), error.what());
      ++report.wrong;
    }
    Object found = figures;
    if (report.wrong > 0) found.raw("failed", wrong.str());
    save("{\n\"command\": " + quoted(options.command) +
         ",\n\"date\": " + quoted(options.date.empty() ? today() : options.date) +
         ",\n\"machine\": " + machine_json() + ",\n\"figures\": " + found.str() + "\n}\n");
  };
  for (const DeviceCase& each : all.cases) {
    add(each.name, [&] { return measure_case(each, options.protocol, ceilings); });
  }
  for (const RatioCase& each : all.ratios) {
    add(each.name, [&] { return measure_ratio(each, options.protocol); });
  }
  return report;
}

}  // namespace wpg::bench
