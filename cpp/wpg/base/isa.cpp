#include "wpg/base/isa.hpp"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>

#if defined(WPG_HAVE_AVX2) || defined(WPG_HAVE_AVX512)
#include <cpuid.h>
#endif

namespace wpg {
namespace {

#if defined(WPG_HAVE_AVX2) || defined(WPG_HAVE_AVX512)
// CPUID is asked directly: __builtin_cpu_supports answers "no" to everything under some runtimes.
struct Features {
  bool avx2 = false;
  bool avx512 = false;
};

Features detect() {
  Features found;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return found;
  constexpr unsigned kOsxsave = 1u << 27, kAvx = 1u << 28, kFma = 1u << 12;
  if ((c & kOsxsave) == 0 || (c & kAvx) == 0) return found;
  std::uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  const bool fma = (c & kFma) != 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return found;
  const bool saves_ymm = (low & 0x6u) == 0x6u;
  const bool saves_zmm = (low & 0xE6u) == 0xE6u;
  constexpr unsigned kAvx2 = 1u << 5;
  constexpr unsigned kF = 1u << 16, kDq = 1u << 17, kBw = 1u << 30, kVl = 1u << 31;
  found.avx2 = fma && saves_ymm && (b & kAvx2) != 0;
  found.avx512 = found.avx2 && saves_zmm && (b & kF) && (b & kDq) && (b & kBw) && (b & kVl);
  return found;
}
#endif

std::string names(const std::vector<Isa>& isas) {
  std::string text;
  for (const Isa isa : isas) text += (text.empty() ? "" : ", ") + std::string(isa_name(isa));
  return text;
}

Isa parse(const std::string& name) {
  for (const Isa isa : available_isas()) {
    if (name == isa_name(isa)) return isa;
  }
  throw std::invalid_argument("instruction set '" + name + "' is not to be had here; choose from " +
                              names(available_isas()));
}

std::atomic<int>& active() {
  static std::atomic<int> value = [] {
    const char* wished = std::getenv("WPG_SIMD");
    if (wished != nullptr && *wished != '\0') return static_cast<int>(parse(wished));
    return static_cast<int>(available_isas().back());
  }();
  return value;
}

}  // namespace

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
    default:
      return "base";
  }
}

std::vector<Isa> available_isas() {
  std::vector<Isa> isas{Isa::base};
#if defined(WPG_HAVE_AVX2) || defined(WPG_HAVE_AVX512)
  static const Features features = detect();
#endif
#ifdef WPG_HAVE_AVX2
  if (features.avx2) isas.push_back(Isa::avx2);
#endif
#ifdef WPG_HAVE_AVX512
  if (features.avx512) isas.push_back(Isa::avx512);
#endif
  return isas;
}

Isa active_isa() { return static_cast<Isa>(active().load(std::memory_order_relaxed)); }

void set_active_isa(const std::string& name) {
  active().store(static_cast<int>(parse(name)), std::memory_order_relaxed);
}

}  // namespace wpg
