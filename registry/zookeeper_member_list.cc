#include "registry/zookeeper_member_list.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <glog/logging.h>

namespace ringmaster {
namespace {

constexpr std::size_t kReadsUnderWay = 256;
constexpr Duration kRetryPause = std::chrono::seconds(1);

using Code = ZooKeeperReply::Code;

}  // namespace

ZooKeeperMemberList::ZooKeeperMemberList(Loop& loop, std::string path, Events events)
    : path_(std::move(path)), events_(std::move(events)), retry_(loop) {}

void ZooKeeperMemberList::start(ZooKeeperClient& client) {
  stop();
  client_ = &client;
  list();
}

void ZooKeeperMemberList::stop() {
  ++round_;
  client_ = nullptr;
  listing_ = again_ = current_ = comparable_ = refused_ = false;
  under_way_ = 0;
  retry_.stop();
}

void ZooKeeperMemberList::refresh() {
  if (client_ == nullptr) return;
  if (listing_) {
    again_ = true;
  } else {
    list();
  }
}

void ZooKeeperMemberList::show_again() {
  shown_.reset();
  if (current_ && !listing_) finish();
}

void ZooKeeperMemberList::list() {
  listing_ = true;
  again_ = false;
  client_->children_and_watch(path_, [this, round = round_](ZooKeeperReply reply) {
    if (round == round_) listed(std::move(reply));
  });
}

void ZooKeeperMemberList::listed(ZooKeeperReply reply) {
  if (reply.code == Code::lost) return;  // stop() and start() follow
  if (reply.code == Code::no_node) {
    comparable_ = false;  // a parent made anew counts from 0
    return events_.make_path([this, round = round_](bool made) {
      if (round != round_) return;
      made ? list() : retry();
    });
  }
  if (reply.code != Code::ok) {
    LOG(WARNING) << "cannot list " << path_ << ": " << reply.text;
    return retry();
  }
  std::set<std::string> names(std::move_iterator(reply.children.begin()),
                              std::move_iterator(reply.children.end()));
  std::vector<std::string> differing;
  std::ranges::set_symmetric_difference(names_, names, std::back_inserter(differing));
  const auto changes =
      static_cast<std::uint32_t>(reply.child_changes) - static_cast<std::uint32_t>(child_changes_);
  if (!comparable_ || changes != differing.size()) members_.clear();
  names_ = std::move(names);
  child_changes_ = reply.child_changes;
  comparable_ = true;
  std::erase_if(members_, [this](const auto& member) { return !names_.contains(member.first); });
  to_read_.clear();
  for (const auto& name : names_) {
    if (!members_.contains(name)) to_read_.push_back(name);
  }
  read_more();
}

void ZooKeeperMemberList::read_more() {
  if (to_read_.empty() && under_way_ == 0) return finish();
  while (!to_read_.empty() && under_way_ < kReadsUnderWay) {
    std::string name = std::move(to_read_.back());
    to_read_.pop_back();
    ++under_way_;
    const std::string path = path_ + "/" + name;
    client_->get(path, [this, round = round_, name = std::move(name)](ZooKeeperReply reply) {
      if (round == round_) has_read(name, std::move(reply));
    });
  }
}

void ZooKeeperMemberList::has_read(const std::string& name, ZooKeeperReply reply) {
  if (reply.code == Code::lost) return;
  --under_way_;
  if (reply.code == Code::ok) {
    members_.insert_or_assign(name, Member{name, std::move(reply.data), reply.czxid});
  } else if (reply.code != Code::no_node) {  // that one has gone since; the watch tells
    LOG(WARNING) << "cannot read " << path_ << "/" << name << ": " << reply.text;
    refused_ = true;
  }
  read_more();
}

void ZooKeeperMemberList::finish() {
  if (std::exchange(refused_, false)) {
    comparable_ = false;
    return retry();
  }
  listing_ = false;
  current_ = true;
  std::vector<Member> members;
  members.reserve(members_.size());
  for (const auto& [name, member] : members_) members.push_back(member);
  if (shown_ != members) {
    shown_ = std::move(members);
    events_.changed(*shown_);
  }
  events_.current();
  if (again_) list();
}

void ZooKeeperMemberList::retry() {
  retry_.start(kRetryPause, [this] { list(); });
}

}  // namespace ringmaster
