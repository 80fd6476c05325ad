#include "device.hpp"

#include <fstream>
#include <sstream>

namespace wpg::bench {
namespace {

/// 13020 is 13.2.
std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

/// The kernel module's number, or "".
std::string driver_number() {
  std::ifstream file("/proc/driver/nvidia/version");
  std::string line;
  std::getline(file, line);
  std::istringstream words(line);
  for (std::string word; words >> word;) {
    if (word.find_first_not_of("0123456789.") == std::string::npos) return word;
  }
  return "";
}

}  // namespace

Card card() {
  int device = 0, version = 0;
  succeed(cudaGetDevice(&device), "cudaGetDevice");
  cudaDeviceProp properties{};
  succeed(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  Card found;
  found.name = properties.name;
  found.capability = std::to_string(properties.major) + "." + std::to_string(properties.minor);
  found.multiprocessors = properties.multiProcessorCount;
  found.memory_gib = static_cast<double>(properties.totalGlobalMem) / (1 << 30);
  found.second_level_cache_mib = properties.l2CacheSize / 1048576.0;
  succeed(cudaDriverGetVersion(&version), "cudaDriverGetVersion");
  found.driver = driver_number();
  found.driver += (found.driver.empty() ? "" : ", ") + ("CUDA " + version_text(version));
  succeed(cudaRuntimeGetVersion(&version), "cudaRuntimeGetVersion");
  found.runtime = version_text(version);
  found.toolkit = WPG_CUDA_TOOLKIT;
  return found;
}

}  // namespace wpg::bench
