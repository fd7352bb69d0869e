// Profiles: the file of ringctl: named sets of settings, and which of them counts when none is named.
//
//   default: production
//   profiles:
//     production:
//       address: [m1:7420, m2:7420]
//       secret_file: production.secret     # from this file's folder; ~/ is the home
//
// Read strictly and as a whole: a mistake in a profile that is not used is refused as well. Immutable.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/settings.h"

namespace ringmaster {

struct Profile {
  struct Value {
    std::string name, text, origin;  // origin: `path:line`
  };
  std::string name;
  std::vector<Value> values;  // in the file's order
};

class Profiles {
 public:
  Profiles() = default;  // of no file

  // Errors: invalid_argument with the line: no such file, not YAML, an unknown key, a value that `declared`
  // does not allow, a default that is no profile.
  static Result<Profiles> read(const std::string& path, const std::vector<Setting>& declared);

  const std::vector<Profile>& all() const { return profiles_; }  // in the file's order
  const std::string& default_name() const { return default_; }   // empty: none
  const std::string& default_origin() const { return default_origin_; }
  const Profile* find(std::string_view name) const;
  std::vector<std::string> names() const;

 private:
  std::vector<Profile> profiles_;
  std::string default_, default_origin_;
};

}  // namespace ringmaster
