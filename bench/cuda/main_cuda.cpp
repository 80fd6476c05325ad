// wpg_bench_cuda: the CUDA routines beside what the card can do at most.
//
// Exit status: 0; 1 if a case gives a wrong answer or ends in an error; 2 for bad arguments; 77
// where there is no GPU.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "suite_cuda.hpp"

namespace {

constexpr const char* kUsage =
    "usage: wpg_bench_cuda [--filter TEXT] [--repetitions R] [--min-time SECONDS]\n"
    "                      [--elements N] [--small] [--date YYYY-MM-DD] [--json FILE] [--list]\n"
    "--small checks the answers on small clouds; its times say nothing.\n";

double number(const std::string& option, const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0') {
    throw std::invalid_argument(option + " is '" + text + "'; it must be a number");
  }
  return value;
}

std::int64_t whole(const std::string& option, const std::string& text) {
  const double value = number(option, text);
  if (!(value >= 1 && value <= 1e12) || value != static_cast<double>(std::int64_t(value))) {
    throw std::invalid_argument(option + " is '" + text + "'; it must be a whole number above 0");
  }
  return static_cast<std::int64_t>(value);
}

int bench(int argc, char** argv) {
  wpg::bench::DeviceOptions options;
  std::string path;
  bool list = false;
  const std::string program = argv[0];
  options.command = program.substr(program.rfind('/') + 1);
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--help") {
      std::printf("%s", kUsage);
      return 0;
    }
    if (option == "--list" || option == "--small") {
      (option == "--list" ? list : options.sizes.small) = true;
      options.command += " " + option;
      continue;
    }
    const bool known = option == "--filter" || option == "--repetitions" ||
                       option == "--min-time" || option == "--elements" || option == "--date" ||
                       option == "--json";
    if (!known) throw std::invalid_argument("unknown option " + option + "; see --help");
    if (++i == argc) throw std::invalid_argument(option + " wants a value");
    const std::string value = argv[i];
    if (option == "--filter") options.filter = value;
    if (option == "--repetitions") {
      options.protocol.repetitions =
          static_cast<int>(std::min<std::int64_t>(whole(option, value), 1'000'000));
    }
    if (option == "--min-time") options.protocol.min_time = number(option, value);
    if (option == "--elements") options.sizes.elements = whole(option, value);
    if (option == "--date") options.date = value;
    if (option == "--json") {
      path = value;  // on one machine, and no part of what was measured
      continue;
    }
    options.command += " " + option + " " + value;
  }
  if (options.sizes.small) {
    options.sizes.elements = std::min<std::int64_t>(options.sizes.elements, 5000);
  }
  if (list) {
    for (const std::string& name : wpg::bench::device_case_names(options.sizes)) {
      std::printf("%s\n", name.c_str());
    }
    return 0;
  }
  if (wpg::cuda::device_count() == 0) {
    std::printf("skipped: there is no device\n");
    return 77;
  }
  const auto say = [](const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
  };
  const auto save = [&](const std::string& json) {
    if (path.empty()) return;
    std::ofstream file(path);
    file << json;
    file.close();
    if (!file) throw std::invalid_argument(path + " cannot be written");
  };
  const wpg::bench::DeviceReport report = wpg::bench::run_on_device(options, say, save);
  std::printf("\n%d wrong or failed, %d below what is wanted\n", report.wrong, report.missed);
  return report.wrong == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return bench(argc, argv);
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "wpg_bench_cuda: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "wpg_bench_cuda: %s\n", error.what());
    return 1;
  }
}
