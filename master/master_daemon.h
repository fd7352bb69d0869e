// MasterDaemon: puts the real parts of a master together. A life is one incarnation: store, registry session,
// node and channels. When it is fenced, the daemon ends it and begins another; the HTTP server stays. One
// thread: the loop's.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/asio_loop.h"
#include "base/daemon.h"
#include "master/http_server.h"
#include "master/master_node.h"
#include "master/master_settings.h"
#include "master/metrics.h"

namespace ringmaster {

class MasterDaemon final : public Daemon {
 public:
  // Of each life.
  using MakeRegistry = std::function<std::unique_ptr<Registry>()>;
  MasterDaemon(AsioLoop& loop, MasterSettings settings, MakeRegistry make_registry, Ended ended);
  ~MasterDaemon() override;

  // Errors: what a person can mend (port in use, no database, wrong schema).
  Result<> start() override;
  void stop() override;
  // What can change in a running master does.
  void reload(const MasterSettings& settings);
  const std::string& http_address() const { return http_address_; }  // once started

 private:
  struct Life;
  // Requests go to the life of the moment.
  class Front final : public ApiService {
   public:
    explicit Front(MasterDaemon& daemon) : daemon_(daemon) {}
    void call(ApiRequest request, ApiResponder respond) override;

   private:
    MasterDaemon& daemon_;
  };

  Result<> begin_life();
  void end_life(Duration pause);
  void on_started(const Result<std::string>& store_id);
  void chores();
  void end(int code, const std::string& why);
  void refresh_metrics();
  void refresh_audit_metrics(const MasterNode& node);

  AsioLoop& loop_;
  MasterSettings settings_;
  const MakeRegistry make_registry_;
  const Ended ended_;
  Metrics metrics_;
  Front front_{*this};
  std::unique_ptr<Life> life_;
  std::unique_ptr<HttpServer> http_;
  std::string http_address_;
  Timer again_{loop_}, chores_timer_{loop_}, stop_timer_{loop_};
  bool ever_started_ = false;
  bool stopping_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace ringmaster
