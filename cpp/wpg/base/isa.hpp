// Which instruction set the compiled routines use. Chosen once at run time from what the processor
// and the operating system offer; WPG_SIMD=base|avx2|avx512 in the environment overrides it.
#pragma once

#include <string>
#include <vector>

namespace wpg {

enum class Isa : int { base = 0, avx2 = 1, avx512 = 2 };

const char* isa_name(Isa isa);

/// The instruction sets that this build holds and this machine runs, narrowest first.
std::vector<Isa> available_isas();

/// The one in use.
Isa active_isa();

/// Use another one, by name; throws std::invalid_argument if the machine or the build lacks it.
/// Not to be called while another thread is inside a compiled routine.
void set_active_isa(const std::string& name);

}  // namespace wpg
