// The radial profiles that a product kernel may have, k(x) = phi(|x|), phi(0) = 1, decreasing.
//
// A profile is a struct in a header of its own beside this one, with
//   kUnit                     by what a distance in length scales is multiplied first
//   log2_profile(square)      log2 phi of the square of that distance: says which centres matter
//   profile(square, slope)    phi, and slope = -phi'(r)/r = -2 dphi/d(r^2), finite at r = 0
// and a line in the list below and among the includes of profiles_math.hpp. Only a Gaussian has
// loops of its own besides.
#pragma once

#include <string>

namespace wpg {

#define WPG_FOR_EACH_PROFILE(apply) \
  apply(gaussian, Gaussian) apply(matern52, Matern52) apply(imq, InverseMultiquadric)

#define WPG_ENUMERATOR(name, type) name,
enum class Profile : int { WPG_FOR_EACH_PROFILE(WPG_ENUMERATOR) };
#undef WPG_ENUMERATOR

const char* profile_name(Profile profile);

/// By name; throws std::invalid_argument with the names there are.
Profile profile_of(const std::string& name);

}  // namespace wpg
