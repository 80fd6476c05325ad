// Calls the copy of a routine that belongs to the instruction set in use.
#pragma once

#include "wpg/base/isa.hpp"

#if defined(WPG_HAVE_AVX2) && defined(WPG_HAVE_AVX512)
#define WPG_FOR_EACH_ISA(declare) declare(base) declare(avx2) declare(avx512)
#elif defined(WPG_HAVE_AVX2)
#define WPG_FOR_EACH_ISA(declare) declare(base) declare(avx2)
#else
#define WPG_FOR_EACH_ISA(declare) declare(base)
#endif

#ifdef WPG_HAVE_AVX2
#define WPG_CASE_AVX2(...) \
  case ::wpg::Isa::avx2:   \
    return avx2::__VA_ARGS__;
#else
#define WPG_CASE_AVX2(...)
#endif
#ifdef WPG_HAVE_AVX512
#define WPG_CASE_AVX512(...) \
  case ::wpg::Isa::avx512:   \
    return avx512::__VA_ARGS__;
#else
#define WPG_CASE_AVX512(...)
#endif

/// WPG_CALL(f(args)) returns <isa>::f(args) from the enclosing function.
#define WPG_CALL(...)            \
  switch (::wpg::active_isa()) { \
    WPG_CASE_AVX512(__VA_ARGS__) \
    WPG_CASE_AVX2(__VA_ARGS__)   \
    default:                     \
      return base::__VA_ARGS__;  \
  }
