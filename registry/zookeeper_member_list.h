// ZooKeeperMemberList: the members below one path, kept current while there is a connection.
//
// Each notice and each connection leads to a new listing. What a notice merges (a node deleted and made
// again) shows in the parent's count of changes: if that moved by more than the names did, every node is read
// again. So the cost of a change is the change, and no node needs a watch of its own. Private to this folder;
// one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/loop.h"
#include "registry/registry.h"
#include "registry/zookeeper_client.h"

namespace ringmaster {

class ZooKeeperMemberList {
 public:
  struct Events {
    std::move_only_function<void(const std::vector<Member>&)> changed;
    std::move_only_function<void()> current;  // the listing is complete, changed or not
    // The path does not exist: make it, then say whether that worked.
    std::move_only_function<void(std::move_only_function<void(bool)>)> make_path;
  };

  ZooKeeperMemberList(Loop& loop, std::string path, Events events);

  const std::string& path() const { return path_; }
  bool current() const { return current_; }

  void start(ZooKeeperClient& client);  // connected: read everything
  void stop();                          // the view is frozen
  void refresh();                       // the watch has fired
  void show_again();                    // calls `changed` once more, as soon as the list is current

 private:
  void list();
  void listed(ZooKeeperReply reply);
  void read_more();
  void has_read(const std::string& name, ZooKeeperReply reply);
  void finish();
  void retry();

  const std::string path_;
  Events events_;
  Timer retry_;
  ZooKeeperClient* client_ = nullptr;
  std::uint64_t round_ = 0;  // replies to an earlier start() are ignored
  bool listing_ = false;
  bool again_ = false;  // a notice came meanwhile
  bool current_ = false;

  std::set<std::string> names_;  // as last listed, when the parent had seen child_changes_
  std::int32_t child_changes_ = 0;
  bool comparable_ = false;  // members_ holds what names_ says
  std::map<std::string, Member> members_;
  std::vector<std::string> to_read_;
  std::size_t under_way_ = 0;
  bool refused_ = false;
  std::optional<std::vector<Member>> shown_;
};

}  // namespace ringmaster
