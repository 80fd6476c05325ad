// All profiles, and how a loop is compiled for each of them.
#pragma once

#include "wpg/critics/profiles/gaussian_math.hpp"
#include "wpg/critics/profiles/imq_math.hpp"
#include "wpg/critics/profiles/matern52_math.hpp"
#include "wpg/critics/profiles/profile.hpp"

namespace wpg {

/// body(P{}) with the struct P of that profile.
template <class Body>
WPG_FORMULA auto with_profile(Profile profile, Body&& body) {
#define WPG_CASE(name, type) \
  case Profile::name:        \
    return body(type{});
  switch (profile) { WPG_FOR_EACH_PROFILE(WPG_CASE) }
#undef WPG_CASE
  return body(Gaussian{});
}

}  // namespace wpg
