// MasterDaemon: puts the real parts of a master together. A life is one incarnation: store, registry session,
// node and channels. When it is fenced, the daemon ends it and begins another; the HTTP server stays. One
// thread: run()'s.
#pragma once

#include <memory>
#include <string>

#include <boost/asio/signal_set.hpp>

#include "base/asio_loop.h"
#include "master/http_server.h"
#include "master/master_node.h"
#include "master/master_settings.h"
#include "master/metrics.h"

namespace ringmaster {

class MasterDaemon {
 public:
  explicit MasterDaemon(MasterSettings settings);
  ~MasterDaemon();

  // Errors: what a person can mend (port in use, no database, wrong schema).
  Result<> start();
  int run();  // until SIGTERM or SIGINT; 0, or 1 after a failure

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
  void wait_for_signal();
  void stop();
  void end(int code, const std::string& why);
  void refresh_metrics();

  MasterSettings settings_;
  AsioLoop loop_;
  boost::asio::signal_set signals_{loop_.context(), SIGTERM, SIGINT};
  Metrics metrics_;
  Front front_{*this};
  std::unique_ptr<Life> life_;
  std::unique_ptr<HttpServer> http_;
  std::string http_address_;
  Timer again_{loop_}, chores_timer_{loop_}, stop_timer_{loop_};
  bool ever_started_ = false;
  bool stopping_ = false;
  int exit_code_ = 0;
};

}  // namespace ringmaster
