#include "base/daemon_log.h"

#include <array>
#include <csignal>
#include <utility>

#include <glog/logging.h>

namespace ringmaster {
namespace {

constexpr std::array<std::pair<LogLevel, std::string_view>, 4> kLevels{{{LogLevel::debug, "debug"},
                                                                        {LogLevel::info, "info"},
                                                                        {LogLevel::warning, "warning"},
                                                                        {LogLevel::error, "error"}}};

int severity_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
    case LogLevel::info:
      return google::GLOG_INFO;
    case LogLevel::warning:
      return google::GLOG_WARNING;
    case LogLevel::error:
      return google::GLOG_ERROR;
  }
  return google::GLOG_INFO;
}

}  // namespace

std::string_view to_string(LogLevel level) {
  for (const auto& [value, name] : kLevels) {
    if (value == level) return name;
  }
  return "info";
}

std::optional<LogLevel> parse_log_level(std::string_view text) {
  for (const auto& [value, name] : kLevels) {
    if (name == text) return value;
  }
  return std::nullopt;
}

void install_log(const char* argv0, LogLevel level) {
  FLAGS_logtostderr = true;
  FLAGS_minloglevel = severity_of(level);
  FLAGS_v = level == LogLevel::debug ? 1 : 0;
  if (google::IsGoogleLoggingInitialized()) return;
  google::InitGoogleLogging(argv0);
  google::InstallFailureSignalHandler();
  // It takes SIGTERM too, which is no failure of a daemon.
  std::signal(SIGTERM, SIG_DFL);
}

}  // namespace ringmaster
