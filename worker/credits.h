// Credits: divides slots x prefetch among the masters' links. Pure: demands go in, limits come out.
//
// Links with demand share everything evenly, so a lone busy master gets it all; so do all links while none
// has demand. A link without demand beside busy ones keeps max(1, slots / 4): its first task starts without
// waiting. The limits together may exceed slots x prefetch for that reason; the ledger's `busy` is the
// backstop.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/ids.h"

namespace ringmaster {

class Credits {
 public:
  Credits(std::uint32_t slots, std::uint32_t prefetch);

  void link_up(LinkId link);
  void link_down(LinkId link);
  void set_demand(LinkId link, std::uint64_t demand);  // unknown links are ignored
  // Closed, every limit is 0: a draining worker, or one that cannot journal results.
  void set_open(bool open);

  std::uint32_t limit(LinkId link) const;  // 0 for an unknown link
  // Links whose limit differs from what was returned for them before, a new link always; ascending.
  std::vector<LinkId> take_changed();

 private:
  struct Share {
    std::uint64_t demand = 0;
    std::uint32_t limit = 0;
    bool changed = true;
  };
  void divide();

  std::uint32_t total_;
  std::uint32_t floor_;
  bool open_ = true;
  std::map<LinkId, Share> shares_;
};

}  // namespace ringmaster
