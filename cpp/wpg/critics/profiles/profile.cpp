#include "wpg/critics/profiles/profile.hpp"

#include "wpg/base/checks.hpp"

namespace wpg {

const char* profile_name(Profile profile) {
#define WPG_CASE(name, type) \
  case Profile::name:        \
    return #name;
  switch (profile) { WPG_FOR_EACH_PROFILE(WPG_CASE) }
#undef WPG_CASE
  return "";
}

Profile profile_of(const std::string& name) {
  std::string known;
#define WPG_COMPARE(word, type)            \
  if (name == #word) return Profile::word; \
  known += known.empty() ? "'" #word "'" : ", '" #word "'";
  WPG_FOR_EACH_PROFILE(WPG_COMPARE)
#undef WPG_COMPARE
  WPG_REQUIRE(false, "kernel is '" + name + "'; it must be one of " + known);
  return Profile::gaussian;
}

}  // namespace wpg
