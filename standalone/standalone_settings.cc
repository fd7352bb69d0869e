#include "standalone/standalone_settings.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

namespace ringmaster {

namespace {

// What there is no choice of: one node of each kind, which find each other by themselves.
constexpr std::array<std::string_view, 7> kFixed = {
    "node_id", "advertise", "zookeeper", "session_timeout", "connections", "database", "data_dir"};
constexpr std::string_view kNode = "standalone";

bool is_fixed(const std::string& name) {
  return std::ranges::find(kFixed, name) != kFixed.end();
}

// The settings of one of the two parts, with what was said of them.
Result<Settings> part_of(const Settings& whole, std::vector<Setting> declared) {
  Settings part(declared);
  const auto lines = whole.describe();
  for (const Setting& setting : declared) {
    const auto line = std::ranges::find(lines, setting.name, &Settings::Line::name);
    if (line == lines.end()) continue;
    if (line->value.empty()) continue;
    if (auto taken = part.set_flag(setting.name, line->value); !taken) return std::unexpected(taken.error());
  }
  return part;
}

}  // namespace

std::vector<Setting> declare_standalone_settings() {
  using enum SettingType;
  std::vector<Setting> all = {
      {"data", text, "", "the directory that keeps everything; made if it is not there"},
      {"postgres_binaries", text, "", "the folder of PostgreSQL's programs, if they are not found"},
  };
  for (std::vector<Setting> part : {declare_master_settings(), declare_worker_settings()}) {
    for (Setting& setting : part) {
      if (!is_fixed(setting.name) && std::ranges::find(all, setting.name, &Setting::name) == all.end())
        all.push_back(std::move(setting));
    }
  }
  return all;
}

std::string standalone_database(const std::string& data) {
  return "host='" + data + "/postgres/socket' port=5432 user=ringmaster dbname=postgres";
}

Result<StandaloneSettings> read_standalone_settings(const Settings& settings) {
  StandaloneSettings read;
  read.data = settings.get_string("data");
  read.binaries = settings.get_string("postgres_binaries");
  if (read.data.empty())
    return fail(
        ErrorCode::invalid_argument,
        "data: say where its data shall lie, such as `ringmaster standalone --data ./ringmaster-data`",
        "data");
  if (read.data.find_first_of("'\\") != std::string::npos)
    return fail(ErrorCode::invalid_argument, "data: a path without quotes and backslashes is needed", "data");
  std::error_code error;
  read.data = std::filesystem::absolute(read.data, error).lexically_normal().string();
  if (read.data.ends_with('/')) read.data.pop_back();

  auto of_master = part_of(settings, declare_master_settings());
  if (!of_master) return std::unexpected(of_master.error());
  auto of_worker = part_of(settings, declare_worker_settings());
  if (!of_worker) return std::unexpected(of_worker.error());
  const auto fix = [](Settings& part, std::string_view name, const std::string& value) {
    (void)part.set_flag(name, value);
  };
  for (Settings* part : {&*of_master, &*of_worker}) fix(*part, "node_id", std::string(kNode));
  fix(*of_master, "database", standalone_database(read.data));
  fix(*of_worker, "data_dir", read.data + "/worker");
  fix(*of_worker, "listen", "127.0.0.1:0");  // only this process dials it

  auto master = read_master_settings(*of_master);
  if (!master) return std::unexpected(master.error());
  auto worker = read_worker_settings(*of_worker);
  if (!worker) return std::unexpected(worker.error());
  read.master = *std::move(master);
  read.worker = *std::move(worker);
  return read;
}

}  // namespace ringmaster
