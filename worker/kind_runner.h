// KindRunner: gives each attempt to the runner of its kind. A new kind is a Runner of its own and one add()
// in main. An unknown kind ends the attempt as failed and permanent. On the loop's thread.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/loop.h"
#include "worker/runner.h"

namespace ringmaster {

class KindRunner final : public Runner {
 public:
  // The loop and the handler must outlive the runner.
  explicit KindRunner(Loop& loop) : loop_(loop) {}

  // Before the first start. The last one added for a kind stays.
  void add(std::string kind, std::unique_ptr<Runner> runner);

  void set_handler(RunnerHandler& handler) override;
  void start(Dispatch attempt) override;
  void kill(Token token) override;
  void extend_lease(ShardId shard, MonoTime until) override;

 private:
  std::string known_kinds() const;

  Loop& loop_;
  RunnerHandler* handler_ = nullptr;
  std::map<std::string, std::unique_ptr<Runner>, std::less<>> runners_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // posted work holds it weakly
};

}  // namespace ringmaster
