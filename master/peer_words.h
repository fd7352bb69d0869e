// PeerWords: what the other masters say on their channels, and what follows from it for one that cannot write
// to the database: whether it alone is cut off, and should give way. Pure; one thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/messages.h"
#include "base/time.h"

namespace ringmaster {

// Without a proof for so long while others write, a master is cut off: they cannot know it.
inline constexpr Duration kGiveWayAfter = std::chrono::seconds(6);
// The same while it reaches none of the others: if the database is away for all of them, its next life has
// lost nothing by that.
inline constexpr Duration kGiveWayAlone = std::chrono::seconds(15);

class PeerWords {
 public:
  void on_link_up(LinkId link) { words_[link]; }
  void on_link_down(LinkId link) { words_.erase(link); }
  void on_status(LinkId link, const PeerStatus& status, MonoTime now) {
    Word& word = words_[link];
    if (status.writes) word.writes_at = now;
    word.missed = status.missed;
  }

  // Channels to other masters, with the workers that they asked about.
  std::map<LinkId, std::vector<std::string>> questions() const {
    std::map<LinkId, std::vector<std::string>> all;
    for (const auto& [link, word] : words_) all[link] = word.missed;
    return all;
  }

  // Why this master should give way, if it should. `proved_at`: when it could surely write; `others`: masters
  // that the registry shows beside it.
  std::optional<std::string> gives_way(MonoTime proved_at, std::size_t others, MonoTime now) const {
    const Duration blind = now - proved_at;
    for (const auto& [link, word] : words_) {
      if (blind >= kGiveWayAfter && word.writes_at && now - *word.writes_at <= kPeerFresh)
        return "the database has been out of reach for " + format_duration(blind) +
               ", but another master writes to it: the shards are its business";
    }
    if (words_.empty() && others > 0 && blind >= kGiveWayAlone)
      return "the database and all other masters have been out of reach for " + format_duration(blind);
    return std::nullopt;
  }

 private:
  struct Word {
    std::optional<MonoTime> writes_at;
    std::vector<std::string> missed;
  };
  std::map<LinkId, Word> words_;
};

}  // namespace ringmaster
