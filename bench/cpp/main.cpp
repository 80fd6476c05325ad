// wpg_bench: the benchmarks without Python.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>

#include "suite.hpp"

namespace {

constexpr const char* kUsage =
    "usage: wpg_bench [--filter TEXT] [--repetitions R] [--min-time SECONDS] [--threads N]\n"
    "                 [--json FILE] [--list]\n";

double number(const std::string& option, const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0') {
    throw std::invalid_argument(option + " is '" + text + "'; it must be a number");
  }
  return value;
}

int whole(const std::string& option, const std::string& text) {
  const double value = number(option, text);
  if (!(value >= -1e6 && value <= 1e6) || value != static_cast<int>(value)) {
    throw std::invalid_argument(option + " is '" + text + "'; it must be a whole number");
  }
  return static_cast<int>(value);
}

int bench(int argc, char** argv) {
  wpg::bench::Options options;
  std::string path;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--list") {
      for (const std::string& name : wpg::bench::names()) std::printf("%s\n", name.c_str());
      return 0;
    }
    if (option == "--help") {
      std::printf("%s", kUsage);
      return 0;
    }
    const bool known = option == "--filter" || option == "--repetitions" ||
                       option == "--min-time" || option == "--threads" || option == "--json";
    if (!known) throw std::invalid_argument("unknown option " + option + "; see --help");
    if (++i == argc) throw std::invalid_argument(option + " wants a value");
    const std::string value = argv[i];
    if (option == "--filter") options.filter = value;
    if (option == "--repetitions") options.protocol.repetitions = whole(option, value);
    if (option == "--min-time") options.protocol.min_time = number(option, value);
    if (option == "--threads") options.threads = whole(option, value);
    if (option == "--json") path = value;
  }
  std::ofstream file;
  if (!path.empty()) {  // before minutes of measuring
    file.open(path, std::ios::app);
    if (!file) throw std::invalid_argument(path + " cannot be written");
  }
  const std::string text = wpg::bench::run(options, [](const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
  });
  if (!path.empty()) {
    file.close();
    file.open(path, std::ios::trunc);
    file << text;
    file.close();
    if (!file) throw std::invalid_argument(path + " cannot be written");
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return bench(argc, argv);
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "wpg_bench: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "wpg_bench: %s\n", error.what());
    return 1;
  }
}
