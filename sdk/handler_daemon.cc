#include "sdk/handler_daemon.h"

#include <utility>

#include <glog/logging.h>

#include "worker/worker_parts.h"

namespace ringmaster::sdk {
namespace {

// For results and for leaving the registry, once no handler runs any more and drain_timeout has passed.
constexpr Duration kDeliveryTimeout = std::chrono::seconds(5);

ringmaster::Result<LogReply> refuse_log(const LogRequest&) {
  return fail(ringmaster::ErrorCode::not_found,
              "it ran in a program's own handler, which writes no log: the task's result has its output");
}

}  // namespace

HandlerDaemon::HandlerDaemon(WorkerSettings settings, const Handlers& handlers, std::uint32_t threads)
    : settings_(std::move(settings)), handlers_(handlers), threads_(threads) {}

// Whatever ends it, its attempts end before masters can see it gone, and the journal last.
HandlerDaemon::~HandlerDaemon() {
  runner_.reset();
  links_.reset();
  node_.reset();
  registry_.reset();
}

ringmaster::Result<> HandlerDaemon::open(Registry::Joined joined) {
  FileSpoolOptions spool;
  spool.directory = settings_.data_dir + "/spool";
  auto opened = FileSpool::open(loop_, std::move(spool));
  if (!opened) return std::unexpected(opened.error());
  spool_ = *std::move(opened);
  runner_ = std::make_unique<HandlerRunner>(loop_, handlers_, threads_);
  make_node();
  if (auto listening = links_->listen(settings_.listen); !listening) return listening;
  address_ = settings_.advertise.empty() ? links_->bound_address() : settings_.advertise;
  LOG(INFO) << "worker " << settings_.node_id << " listens on " << links_->bound_address() << ", "
            << settings_.slots << " slots";
  node_->start(*links_, address_, [this, joined = std::move(joined)](ringmaster::Result<> result) mutable {
    if (!result && !draining_) end(result);
    joined(std::move(result));
  });
  return {};
}

void HandlerDaemon::make_node() {
  registry_ = std::make_unique<ZooKeeperRegistry>(loop_, settings_.registry());

  ringmaster::WorkerOptions worker = node_options(settings_);
  worker.bound = [this](const std::string& store_id) { links_->set_store_id(store_id); };
  worker.read_log = refuse_log;
  node_ = std::make_unique<WorkerNode>(loop_, *registry_, *spool_, *runner_, worker);
  links_ = std::make_unique<TcpLinks>(loop_, links_options(settings_, worker.incarnation, node_->store_id()),
                                      *node_);
}

ringmaster::Result<> HandlerDaemon::run() {
  loop_.run();
  return outcome_;
}

// ---- stopping -----------------------------------------------------------------------------------

void HandlerDaemon::request_stop() {
  loop_.post([this] { drain(); });
}

void HandlerDaemon::hasten() {
  loop_.post([this] {
    drain();
    stop_handlers();
  });
}

void HandlerDaemon::give_up() {
  loop_.post([this] { loop_.stop(); });
}

void HandlerDaemon::drain() {
  if (std::exchange(draining_, true)) return;
  LOG(INFO) << "draining; handlers are asked to stop in " << format_duration(settings_.drain_timeout);
  deadline_.start(settings_.drain_timeout, [this] { stop_handlers(); });
  runner_->begin_drain();
  node_->drain([this] {
    LOG(INFO) << "drained";
    links_->shutdown([this] { end({}); });
  });
}

void HandlerDaemon::stop_handlers() {
  if (std::exchange(stopping_, true)) return;
  deadline_.stop();
  runner_->stop_all();
  runner_->when_idle([this] {
    deadline_.start(kDeliveryTimeout, [this] {
      end(fail(ringmaster::ErrorCode::deadline_exceeded,
               "stopped, but masters or ZooKeeper did not answer in time: " +
                   std::to_string(node_->ledger().spooled()) + " results stay in " + settings_.data_dir +
                   "; start a worker with this node_id and data_dir again"));
    });
  });
}

void HandlerDaemon::end(ringmaster::Result<> outcome) {
  if (!outcome) LOG(ERROR) << outcome.error().message;
  outcome_ = std::move(outcome);
  loop_.stop();
}

}  // namespace ringmaster::sdk
