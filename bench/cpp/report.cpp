#include "report.hpp"

#include <sched.h>
#include <stdlib.h>

#include <ctime>
#include <fstream>
#include <sstream>
#include <thread>

#include "json_text.hpp"
#include "wpg/base/isa.hpp"
#include "wpg/base/parallel.hpp"

namespace wpg::bench {
namespace {

/// The first line of a file, or "".
std::string line_of(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// What stands behind the colon of the first line of /proc/cpuinfo that begins with `key`.
std::string from_cpuinfo(const std::string& key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (line.compare(0, key.size(), key) == 0 && colon != std::string::npos) {
      return colon + 2 <= line.size() ? line.substr(colon + 2) : "";
    }
  }
  return "";
}

std::vector<Context::Cache> caches() {
  std::vector<Context::Cache> found;
  for (int index = 0;; ++index) {
    const std::string folder =
        "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/";
    const std::string size = line_of(folder + "size");
    if (size.empty()) return found;
    Context::Cache cache;
    cache.type = line_of(folder + "type");
    cache.level = std::atoi(line_of(folder + "level").c_str());
    char unit = ' ';
    std::istringstream(size) >> cache.size >> unit;
    cache.size *= unit == 'K' ? 1 << 10 : unit == 'M' ? 1 << 20 : 1;
    for (const char c : line_of(folder + "shared_cpu_map")) {  // a bit for each processor
      const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 0;
      for (int bit = 0; bit < 4; ++bit) cache.sharing += digit >> bit & 1;
    }
    found.push_back(cache);
  }
}

std::string now() {
  const std::time_t seconds = std::time(nullptr);
  char text[64];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S%z", std::localtime(&seconds));
  std::string date = text;  // +0100 to +01:00
  if (date.size() > 5) date.insert(date.size() - 2, ":");
  return date;
}

/// What every entry of a case begins with.
Object entry(const Measured& measured, const std::string& name, std::size_t family,
             const Context& context) {
  Object object;
  object.text("name", name)
      .number("family_index", static_cast<double>(family))
      .number("per_family_instance_index", 0)
      .text("run_name", measured.name)
      .number("repetitions", static_cast<double>(measured.timing.wall.size()))
      .number("threads", context.threads);
  return object;
}

/// Seconds of a call, as times and rates.
Object& add_times(Object& object, const Measured& measured, const Context& context, double wall,
                  double cpu) {
  const double seconds = context.threads == 1 ? cpu : wall;
  const Work& work = measured.work;
  const double bytes = work.bytes / seconds, flops = work.flops / seconds;
  return object.number("iterations", static_cast<double>(measured.timing.iterations))
      .number("real_time", 1e9 * wall)
      .number("cpu_time", 1e9 * cpu)
      .text("time_unit", "ns")
      .number("bytes_per_second", bytes)
      .number("items_per_second", work.items / seconds)
      .text("item", work.unit)
      .number("ns_per_item", 1e9 * seconds / work.items)
      .number("flops_per_second", flops)
      .number("fraction_of_copy", bytes / context.ceilings.copy_bytes_per_second)
      .number("fraction_of_fma", flops / context.ceilings.fma_flops_per_second);
}

}  // namespace

Context context_of_this_machine() {
  Context context;
  context.date = now();
  context.cpu_model = from_cpuinfo("model name");
  context.mhz = std::atof(from_cpuinfo("cpu MHz").c_str());
  context.cpus = static_cast<int>(std::thread::hardware_concurrency());
  context.threads = get_num_threads();
  context.isa = isa_name(active_isa());
  context.caches = caches();
  double load[3];
  if (getloadavg(load, 3) == 3) context.load.assign(load, load + 3);
#if defined(__clang__)
  context.compiler = "Clang " __clang_version__;
#elif defined(__GNUC__)
  context.compiler = "GCC " __VERSION__;
#endif
#ifdef NDEBUG
  context.optimised = true;
#endif
  context.version = WPG_VERSION;
  return context;
}

std::string json(const Context& context) {
  std::vector<std::string> caches, load;
  for (const Context::Cache& cache : context.caches) {
    caches.push_back(Object()
                         .text("type", cache.type)
                         .number("level", cache.level)
                         .number("size", static_cast<double>(cache.size))
                         .number("num_sharing", cache.sharing)
                         .str());
  }
  for (const double value : context.load) load.push_back(format("%.3g", value));
  Object object;
  object.text("date", context.date)
      .text("executable", "wpg bench")
      .number("num_cpus", context.cpus)
      .number("mhz_per_cpu", context.mhz)
      .raw("caches", list_of(caches, ", "))
      .raw("load_avg", list_of(load, ", "))
      .text("library_version", context.version)
      .text("library_build_type", context.optimised ? "release" : "debug")
      .number("json_schema_version", 1)
      .text("cpu_model", context.cpu_model)
      .text("isa", context.isa)
      .text("compiler", context.compiler)
      .number("threads", context.threads);
  if (context.ceilings.copy_bytes_per_second > 0) {
    object.number("copy_bytes_per_second", context.ceilings.copy_bytes_per_second)
        .number("copy_spread", context.ceilings.copy_spread)
        .number("fma_flops_per_second", context.ceilings.fma_flops_per_second)
        .number("fma_spread", context.ceilings.fma_spread);
  }
  return object.str();
}

std::string table_head(const Context& context) {
  std::string cache;
  for (const Context::Cache& each : context.caches) {
    if (each.type != "Instruction") {
      cache += format(", L%d %lld kB", each.level, each.size >> 10);
    }
  }
  const double load = context.load.empty() ? 0 : context.load[0];
  std::string head = format("%s, %d processors%s, load %.2f\n", context.cpu_model.c_str(),
                            context.cpus, cache.c_str(), load);
  head += format(
      "wpg %s, %s, %s, %s, %s time\n", context.version.c_str(), context.compiler.c_str(),
      context.isa.c_str(),
      (std::to_string(context.threads) + (context.threads == 1 ? " thread" : " threads")).c_str(),
      context.threads == 1 ? "processor" : "wall");
  head += format(
      "ceilings: copy %.1f GB/s (read + written, spread %.1f %%), float32 multiply-add %.1f "
      "GFLOP/s (spread %.1f %%)\n\n",
      1e-9 * context.ceilings.copy_bytes_per_second, 100 * context.ceilings.copy_spread,
      1e-9 * context.ceilings.fma_flops_per_second, 100 * context.ceilings.fma_spread);
  return head + format("%-42s %-8s %9s %9s %7s %8s %7s %8s %7s", "case", "item", "ns: least",
                       "median", "spread", "GB/s", "of copy", "GFLOP/s", "of FMA");
}

std::string table_row(const Measured& measured, const Context& context) {
  const Spread spread = time_of(measured.timing, context.threads);
  const Work& work = measured.work;
  const double bytes = work.bytes / spread.least, flops = work.flops / spread.least;
  return format("%-42s %-8s %9.4g %9.4g %5.1f %% %8.3g %5.0f %% %8.3g %5.0f %%",
                measured.name.c_str(), work.unit, 1e9 * spread.least / work.items,
                1e9 * spread.median / work.items, 100 * spread.relative(), 1e-9 * bytes,
                100 * bytes / context.ceilings.copy_bytes_per_second, 1e-9 * flops,
                100 * flops / context.ceilings.fma_flops_per_second);
}

std::string json(const std::vector<Measured>& all, const Context& context) {
  std::vector<std::string> entries;
  for (std::size_t family = 0; family < all.size(); ++family) {
    const Measured& measured = all[family];
    const Timing& timing = measured.timing;
    for (std::size_t r = 0; r < timing.wall.size(); ++r) {
      Object object = entry(measured, measured.name, family, context);
      object.text("run_type", "iteration").number("repetition_index", static_cast<double>(r));
      entries.push_back(add_times(object, measured, context, timing.wall[r], timing.cpu[r]).str());
    }
    const Spread wall = spread_of(timing.wall), cpu = spread_of(timing.cpu);
    const auto aggregate = [&](const char* name) {
      Object object = entry(measured, measured.name + "_" + name, family, context);
      object.text("run_type", "aggregate")
          .text("aggregate_name", name)
          .text("aggregate_unit", "time");
      return object;
    };
    Object least = aggregate("least"), median = aggregate("median"), mad = aggregate("mad");
    entries.push_back(add_times(least, measured, context, wall.least, cpu.least).str());
    entries.push_back(add_times(median, measured, context, wall.median, cpu.median).str());
    entries.push_back(mad.number("iterations", static_cast<double>(timing.iterations))
                          .number("real_time", 1e9 * wall.mad)
                          .number("cpu_time", 1e9 * cpu.mad)
                          .text("time_unit", "ns")
                          .str());
  }
  return "{\n\"context\": " + json(context) + ",\n\"benchmarks\": " + list_of(entries, ",\n") +
         "\n}\n";
}

}  // namespace wpg::bench
