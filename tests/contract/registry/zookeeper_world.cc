#include <vector>

#include "registry/zookeeper_registry.h"
#include "tests/contract/registry/registry_world.h"
#include "tests/contract/registry/tcp_relay.h"
#include "tests/contract/registry/zookeeper_operator.h"
#include "tests/servers/zookeeper_server.h"

namespace ringmaster {
namespace {

// One server for the whole program; each test has a cluster of its own on it.
ZooKeeperServer& shared_server() {
  static ZooKeeperServer server;
  return server;
}

class ZooKeeperWorld final : public RegistryWorld {
 public:
  ZooKeeperWorld() {
    static int last_cluster = 0;
    cluster_ = "contract-" + std::to_string(++last_cluster);
  }

  std::unique_ptr<Registry> open_session() override {
    relays_.push_back(std::make_unique<TcpRelay>(shared_server().port()));
    return std::make_unique<ZooKeeperRegistry>(
        loop(), ZooKeeperOptions{relays_.back()->hosts(), cluster_, std::chrono::seconds(3)});
  }
  void cut(std::size_t session) override { relays_.at(session)->cut(); }
  void heal(std::size_t session) override { relays_.at(session)->heal(); }
  void expire_cut(std::size_t) override {}  // the server does so by itself
  void remove(Membership set, const std::string& id) override { tool().remove(path_of(set, id)); }
  void replace(Membership set, const std::string& id, const std::string& data) override {
    tool().replace(path_of(set, id), data);
  }

 private:
  std::string path_of(Membership set, const std::string& id) const {
    return "/ringmaster/" + cluster_ + (set == Membership::masters ? "/masters/" : "/workers/") + id;
  }
  ZooKeeperOperator& tool() {
    if (!operator_) operator_ = std::make_unique<ZooKeeperOperator>(shared_server().hosts());
    return *operator_;
  }

  std::string cluster_;
  std::vector<std::unique_ptr<TcpRelay>> relays_;
  std::unique_ptr<ZooKeeperOperator> operator_;
};

}  // namespace

std::unique_ptr<RegistryWorld> make_zookeeper_world() {
  return std::make_unique<ZooKeeperWorld>();
}

}  // namespace ringmaster
