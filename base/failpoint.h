// Failpoints: places in the shells where a test kills or freezes a daemon, or lets a call to the system fail.
// They are compiled only into builds with RINGMASTER_FAILPOINTS (presets dev, asan, tsan); elsewhere the
// macros are nothing, and no binary holds a name. The names: base/failpoint_sites.h; how a test arms them:
// docs/failpoints.md. Any thread, once armed.
#pragma once

#include "base/failpoint_config.h"

#if RINGMASTER_FAILPOINTS

#include <array>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/failpoint_sites.h"
#include "base/result.h"

namespace ringmaster {

class Failpoints {
 public:
  // `[first>]site=action[@n],…`: at the n-th hit (default 1) of `site`, counted once `first` was hit, the
  // process is killed (`kill`, SIGKILL), stops itself (`freeze`, SIGSTOP), or the operation fails (`fail`).
  // Each happens once. Errors: invalid_argument; nothing is armed then. Before any other thread is there.
  Result<> arm(std::string_view text);
  // True: the operation at this site has to fail now.
  bool hit(std::size_t site);
  bool is_armed(std::size_t site) const { return armed_[site]; }
  // What is armed, as it was given; empty: nothing.
  const std::string& text() const { return text_; }

 private:
  enum class Action { kill, freeze, fail };
  struct Arming {
    std::size_t site = 0;
    std::optional<std::size_t> first;
    Action action = Action::kill;
    int countdown = 1;
  };
  static Result<Arming> parse(std::string_view text);
  static bool act(const Arming& arming);

  std::string text_;
  std::array<bool, kFailpointSites.size()> armed_{};  // or another one waits for it
  std::mutex mutex_;
  std::vector<Arming> armings_;
};

// Those of this process.
Failpoints& failpoints();

}  // namespace ringmaster

#define RINGMASTER_FAILPOINT(site) \
  static_cast<void>(::ringmaster::failpoints().hit(::ringmaster::failpoint_site(site)))
// After what was sent on links in this turn: that leaves when the turn is over.
#define RINGMASTER_FAILPOINT_ONCE_SENT(loop, site)                                               \
  (::ringmaster::failpoints().is_armed(::ringmaster::failpoint_site(site))                       \
       ? (loop).post([] { ::ringmaster::failpoints().hit(::ringmaster::failpoint_site(site)); }) \
       : static_cast<void>(0))
// True: this operation has to fail now.
#define RINGMASTER_FAILPOINT_FAILS(site) ::ringmaster::failpoints().hit(::ringmaster::failpoint_site(site))

#else

#define RINGMASTER_FAILPOINT(site) static_cast<void>(0)
#define RINGMASTER_FAILPOINT_ONCE_SENT(loop, site) static_cast<void>(0)
#define RINGMASTER_FAILPOINT_FAILS(site) false

#endif
