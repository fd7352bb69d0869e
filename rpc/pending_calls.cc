#include "rpc/pending_calls.h"

#include <algorithm>
#include <string>
#include <vector>

namespace ringmaster {

void PendingCalls::add(std::uint64_t id, LinkId link, std::uint64_t position, Duration timeout,
                       ApiResponder respond) {
  // A caller that says "for ever" must not make the sum wrap.
  constexpr Duration kLongest = std::chrono::hours(24 * 365);
  const auto deadline = loop_.now() + std::clamp(timeout, Duration::zero(), kLongest);
  calls_.emplace(Key{link, id}, Call{deadline, position, std::move(respond)});
  deadlines_.insert({deadline, Key{link, id}});
  arm();
}

bool PendingCalls::answer(LinkId link, std::uint64_t id, Result<ApiReply> reply) {
  auto call = calls_.extract(Key{link, id});
  if (call.empty()) return false;
  deadlines_.erase({call.mapped().deadline, call.key()});
  call.mapped().respond(std::move(reply));
  return true;
}

void PendingCalls::fail_link(LinkId link, std::uint64_t sent, const std::string& reason) {
  std::vector<Call> failed;
  const auto first = calls_.lower_bound(Key{link, 0});
  auto last = first;
  for (; last != calls_.end() && last->first.first == link; ++last) {
    deadlines_.erase({last->second.deadline, last->first});
    failed.push_back(std::move(last->second));
  }
  calls_.erase(first, last);
  for (auto& call : failed) {
    if (call.position > sent) {
      call.respond(fail(ErrorCode::unavailable, "the link went down before the request was sent: " + reason));
    } else {
      call.respond(fail(ErrorCode::unknown_outcome, "the link went down before the reply: " + reason));
    }
  }
}

// A reply makes its deadline moot, but the timer stays: most calls are answered long before it, and setting
// it anew for each would cost more than one needless wake-up.
void PendingCalls::arm() {
  if (deadlines_.empty()) return;
  const auto first = deadlines_.begin()->first;
  if (timer_.running() && armed_for_ <= first) return;
  armed_for_ = first;
  timer_.start(std::max(first - loop_.now(), Duration::zero()), [this] { expire(); });
}

void PendingCalls::expire() {
  const auto now = loop_.now();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const auto [link, id] = deadlines_.begin()->second;
    answer(link, id, fail(ErrorCode::deadline_exceeded, "no reply in time; it may have happened"));
  }
  arm();
}

}  // namespace ringmaster
