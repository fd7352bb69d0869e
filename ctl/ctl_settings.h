// CtlSettings: the global options of ringctl, from flags, the environment, a profile and defaults, the
// stronger first; and which file and profile that was. Loaded once, after the command line has been read. One
// thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/settings.h"
#include "ctl/ctl.h"
#include "ctl/profiles.h"

namespace ringmaster {

class CtlSettings {
 public:
  using Environment = std::function<const char*(const char*)>;  // like getenv

  static std::vector<Setting> declared();

  CtlSettings() : settings_(declared()) {}

  // Each setting as an option of `app`, beside --profile and --config. This outlives the app.
  void add_flags(CLI::App& app);
  // After parsing. Errors: invalid_argument, with where the mistake stands.
  Result<> load(const Environment& environment);
  // Finds the file without reading it.
  void find_file(const Environment& environment);

  CtlOptions options() const;
  std::vector<Settings::Line> describe() const { return settings_.describe(); }
  // What a named profile says and the environment overrules, one line each.
  const std::vector<std::string>& overruled() const { return overruled_; }

  const Profiles& profiles() const { return profiles_; }
  const std::string& profile() const { return profile_.text; }  // empty: none
  const std::string& profile_origin() const { return profile_.origin; }
  const std::string& file() const { return file_.text; }  // empty: there is no home to look in
  const std::string& file_origin() const { return file_.origin; }
  bool file_exists() const { return file_exists_; }

 private:
  struct Named {
    std::string text, origin;
  };
  Result<> choose_profile(const Environment& environment);
  Result<> load_profile(const Environment& environment);

  Settings settings_;
  Profiles profiles_;
  std::string profile_flag_, file_flag_;
  Named profile_, file_;
  bool file_exists_ = false;
  std::vector<std::string> overruled_;
  std::optional<Error> bad_flag_;
};

}  // namespace ringmaster
