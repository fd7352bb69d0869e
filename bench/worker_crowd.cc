#include "bench/worker_crowd.h"

#include <future>
#include <stdexcept>

#include "registry/node_settings.h"

namespace ringmaster {

namespace {

// Keeps nothing: a result that is reported once is all that a benchmark wants.
class ForgetfulSpool final : public Spool {
 public:
  explicit ForgetfulSpool(Loop& loop) : loop_(loop) {}
  Contents load() override { return {}; }
  Result<> bind(const std::string&) override { return {}; }
  Result<> append(const std::vector<ResultReport>&) override { return {}; }
  Result<> note_epochs(const std::vector<ShardEpoch>&) override { return {}; }
  void sync(Synced done) override {
    loop_.post([done = std::move(done)]() mutable { done({}); });
  }
  void forget(const std::vector<Token>&) override {}

 private:
  Loop& loop_;
};

WorkerOptions worker_options(const std::string& id, const std::vector<std::string>& groups,
                             std::uint32_t slots) {
  WorkerOptions options;
  options.node_id = id;
  options.incarnation = new_incarnation();
  options.groups = groups;
  options.slots = slots;
  options.version = RINGMASTER_VERSION;
  return options;
}

LinksOptions links_options(const WorkerOptions& worker) {
  LinksOptions options;
  options.cluster = "bench";
  options.role = Role::worker;
  options.node_id = worker.node_id;
  options.incarnation = worker.incarnation;
  return options;
}

}  // namespace

class WorkerCrowd::Member {
 public:
  Member(AsioLoop& loop, Registry& registry, WorkerOptions options)
      : spool_(loop), runner_(loop), options_(std::move(options)) {
    options_.bound = [this](const std::string& store_id) { links_->set_store_id(store_id); };
    node_ = std::make_unique<WorkerNode>(loop, registry, spool_, runner_, options_);
    links_ = std::make_unique<TcpLinks>(loop, links_options(options_), *node_);
    if (auto listening = links_->listen("127.0.0.1:0"); !listening)
      throw std::runtime_error(listening.error().message);
    node_->start(*links_, links_->bound_address(), [](const Result<>&) {});
  }
  ~Member() {
    links_.reset();
    node_.reset();
  }

 private:
  ForgetfulSpool spool_;
  NoopRunner runner_;
  WorkerOptions options_;
  std::unique_ptr<WorkerNode> node_;
  std::unique_ptr<TcpLinks> links_;
};

WorkerCrowd::WorkerCrowd(const std::string& zookeeper, const std::vector<std::vector<std::string>>& groups,
                         std::uint32_t slots) {
  registry_ =
      std::make_unique<ZooKeeperRegistry>(loop_, ZooKeeperOptions{.hosts = zookeeper, .cluster = "bench"});
  thread_ = std::jthread([this] { loop_.run(); });
  std::promise<void> made;
  loop_.post([&] {
    try {
      for (const auto& its : groups) {
        const std::string id = "w" + std::to_string(members_.size() + 1);
        members_.push_back(std::make_unique<Member>(loop_, *registry_, worker_options(id, its, slots)));
      }
      made.set_value();
    } catch (...) {
      made.set_exception(std::current_exception());
    }
  });
  made.get_future().get();
}

WorkerCrowd::~WorkerCrowd() {
  loop_.post([this] {
    members_.clear();
    registry_.reset();
    loop_.stop();
  });
}

}  // namespace ringmaster
