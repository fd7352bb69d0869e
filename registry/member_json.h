// What a member says about itself: the JSON in its registry node. A public, versioned contract
// (docs/registry.md). Readers ignore fields they do not know and accept any later schema that still has the
// fields they need.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"

namespace ringmaster {

inline constexpr int kMemberSchema = 1;

struct MasterMember {
  std::string id;
  std::string rpc_address;   // `host:port`, for workers and masters
  std::string http_address;  // `host:port`; empty if it serves no HTTP
  Incarnation incarnation;
  std::string version;
  WallTime started_at{};
  bool operator==(const MasterMember&) const = default;
};

struct WorkerMember {
  std::string id;
  std::string address;  // `host:port`, where masters dial it
  Incarnation incarnation;
  std::vector<std::string> groups;
  std::uint32_t slots = 0;
  std::uint32_t weight = 1;  // its share of the hash ring
  std::map<std::string, std::string> labels;
  std::string version;
  WallTime started_at{};
  bool operator==(const WorkerMember&) const = default;
};

std::string to_json(const MasterMember& member);
std::string to_json(const WorkerMember& member);

// Errors: invalid_argument with `field` and what is wrong with it (missing, of another type, out of range).
// `weight` (1) and `labels` (none) may be absent.
Result<MasterMember> parse_master_member(std::string_view json);
Result<WorkerMember> parse_worker_member(std::string_view json);

}  // namespace ringmaster
