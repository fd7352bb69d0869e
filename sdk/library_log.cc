#include "sdk/library_log.h"

#include <mutex>

#include <glog/logging.h>

#include "base/daemon_log.h"

namespace ringmaster::sdk {
namespace {

std::mutex mutex;
bool ours = false;  // the set-up of glog

// Unlike a daemon's: the signals of this program are its own.
void set_up(LogLevel level) {
  if (!ours && google::IsGoogleLoggingInitialized()) return;
  FLAGS_logtostderr = true;
  set_log_level(level);
  if (!ours) google::InitGoogleLogging("ringmaster");
  ours = true;
}

}  // namespace

ringmaster::Result<> set_library_log(const std::string& level) {
  const auto parsed = parse_log_level(level);
  if (!parsed) {
    return fail(ringmaster::ErrorCode::invalid_argument,
                "log_level: debug, info, warning or error are allowed", "log_level");
  }
  const std::lock_guard lock(mutex);
  set_up(*parsed);
  return {};
}

void ensure_library_log() {
  const std::lock_guard lock(mutex);
  if (!ours) set_up(LogLevel::warning);
}

}  // namespace ringmaster::sdk
