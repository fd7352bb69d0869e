#include <vector>

#include "registry/memory_registry.h"
#include "tests/contract/registry/registry_world.h"

namespace ringmaster {
namespace {

class MemoryWorld final : public RegistryWorld {
 public:
  std::unique_ptr<Registry> open_session() override {
    auto session = std::make_unique<MemoryRegistry>(loop(), hub_);
    clients_.push_back(session->client_id());
    return session;
  }
  void cut(std::size_t session) override { hub_.disconnect(clients_.at(session)); }
  void heal(std::size_t session) override { hub_.reconnect(clients_.at(session)); }
  void expire_cut(std::size_t session) override { hub_.expire(clients_.at(session)); }
  void remove(Membership set, const std::string& id) override { hub_.remove(set, id); }
  void replace(Membership set, const std::string& id, const std::string& data) override {
    hub_.replace(set, id, data);
  }

 private:
  MemoryRegistryHub hub_;
  std::vector<MemoryRegistryHub::ClientId> clients_;
};

}  // namespace

std::unique_ptr<RegistryWorld> make_memory_world() {
  return std::make_unique<MemoryWorld>();
}

}  // namespace ringmaster
