#include "worker/credits.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace ringmaster {
namespace {

std::uint32_t saturating_product(std::uint32_t a, std::uint32_t b) {
  const std::uint64_t product = std::uint64_t{a} * b;
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(product, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace

Credits::Credits(std::uint32_t slots, std::uint32_t prefetch)
    : total_(saturating_product(slots, prefetch)), floor_(std::max(1U, slots / 4)) {}

void Credits::link_up(LinkId link) {
  shares_.try_emplace(link);
  divide();
}

void Credits::link_down(LinkId link) {
  if (shares_.erase(link) != 0) divide();
}

void Credits::set_demand(LinkId link, std::uint64_t demand) {
  const auto found = shares_.find(link);
  if (found == shares_.end()) return;
  const bool flipped = (found->second.demand > 0) != (demand > 0);
  found->second.demand = demand;
  if (flipped) divide();
}

void Credits::set_open(bool open) {
  if (std::exchange(open_, open) != open) divide();
}

std::uint32_t Credits::limit(LinkId link) const {
  const auto found = shares_.find(link);
  return found == shares_.end() ? 0 : found->second.limit;
}

std::vector<LinkId> Credits::take_changed() {
  std::vector<LinkId> changed;
  for (auto& [link, share] : shares_) {
    if (std::exchange(share.changed, false)) changed.push_back(link);
  }
  return changed;
}

void Credits::divide() {
  const auto has_demand = [](const auto& entry) { return entry.second.demand > 0; };
  const auto busy = static_cast<std::uint32_t>(std::ranges::count_if(shares_, has_demand));
  const std::uint32_t sharing = busy > 0 ? busy : static_cast<std::uint32_t>(shares_.size());
  std::uint32_t remainder = sharing > 0 ? total_ % sharing : 0;
  for (auto& [link, share] : shares_) {
    std::uint32_t limit = floor_;
    if (busy == 0 || share.demand > 0) {
      const std::uint32_t extra = remainder > 0 ? 1 : 0;
      remainder -= extra;
      limit = std::max(floor_, total_ / sharing + extra);
    }
    if (!open_) limit = 0;
    if (std::exchange(share.limit, limit) != limit) share.changed = true;
  }
}

}  // namespace ringmaster
