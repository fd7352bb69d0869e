#include "base/daemon_log.h"

#include <array>
#include <chrono>
#include <csignal>
#include <string>
#include <utility>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <glog/logging.h>
#include <unistd.h>

#include "base/time.h"
#include "base/utf8.h"

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

class JsonSink final : public google::LogSink {
 public:
  void send(google::LogSeverity severity, const char*, const char* file, int line,
            const google::LogMessageTime& time, const char* message, std::size_t length) override {
    constexpr std::array kNames = {"info", "warning", "error", "fatal"};
    const auto at =
        std::chrono::system_clock::from_time_t(time.timestamp()) + std::chrono::microseconds(time.usec());
    boost::json::object out{{"time", format_time(std::chrono::time_point_cast<Duration>(at))},
                            {"level", kNames.at(static_cast<std::size_t>(severity))},
                            {"source", std::string(file) + ":" + std::to_string(line)},
                            {"message", replace_invalid_utf8({message, length})}};
    const std::string text = boost::json::serialize(out) + "\n";
    // One write a line: lines of several threads do not mix.
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
  }
};

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

void set_log_level(LogLevel level) {
  FLAGS_minloglevel = severity_of(level);
  FLAGS_v = level == LogLevel::debug ? 1 : 0;
}

void install_log(const char* argv0, LogLevel level, LogFormat format) {
  set_log_level(level);
  if (google::IsGoogleLoggingInitialized()) return;
  google::InitGoogleLogging(argv0);
  if (format == LogFormat::json) {
    static JsonSink sink;
    // No file and no text: the sink has every line.
    for (const int severity :
         {google::GLOG_INFO, google::GLOG_WARNING, google::GLOG_ERROR, google::GLOG_FATAL})
      google::SetLogDestination(severity, "");
    FLAGS_stderrthreshold = google::NUM_SEVERITIES;
    google::AddLogSink(&sink);
  } else {
    FLAGS_logtostderr = true;
  }
  google::InstallFailureSignalHandler();
  // It takes SIGTERM too, which is no failure of a daemon.
  std::signal(SIGTERM, SIG_DFL);
}

}  // namespace ringmaster
