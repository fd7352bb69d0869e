#include "registry/member_json.h"

#include <optional>
#include <utility>

#include <boost/json.hpp>

namespace ringmaster {
namespace {

namespace json = boost::json;

// Reads the fields of one member and remembers the first thing that was wrong.
class FieldReader {
 public:
  FieldReader(std::string_view kind, std::string_view text) : kind_(kind) {
    boost::system::error_code error;
    json::value value = json::parse(json::string_view(text.data(), text.size()), error);
    if (error) {
      refuse("", "is not JSON: " + error.message());
    } else if (!value.is_object()) {
      refuse("", "is not a JSON object");
    } else {
      object_ = std::move(value.as_object());
    }
  }

  void read(const char* name, std::string& out) {
    const json::value* value = required(name);
    if (value == nullptr) return;
    if (!value->is_string()) return refuse(name, "must be a string");
    out.assign(value->as_string().data(), value->as_string().size());
  }

  void read(const char* name, std::uint32_t& out) {
    const json::value* value = required(name);
    if (value == nullptr) return;
    boost::system::error_code error;
    const auto number = value->to_number<std::uint32_t>(error);
    if (error) return refuse(name, "must be a whole number from 0 to 4294967295");
    out = number;
  }

  void read(const char* name, std::vector<std::string>& out) {
    const json::value* value = required(name);
    if (value == nullptr) return;
    if (!value->is_array()) return refuse(name, "must be an array of strings");
    for (const json::value& item : value->as_array()) {
      if (!item.is_string()) return refuse(name, "must be an array of strings");
      out.emplace_back(item.as_string().data(), item.as_string().size());
    }
  }

  void read(const char* name, std::map<std::string, std::string>& out) {
    const json::value* value = required(name);
    if (value == nullptr) return;
    if (!value->is_object()) return refuse(name, "must be an object of strings");
    for (const auto& [key, item] : value->as_object()) {
      if (!item.is_string()) return refuse(name, "must be an object of strings");
      out.emplace(std::string(key), std::string(item.as_string()));
    }
  }

  void read(const char* name, Incarnation& out) { read_parsed(name, out, parse_incarnation); }
  void read(const char* name, WallTime& out) { read_parsed(name, out, parse_time); }

  template <class T>
  void read_if_present(const char* name, T& out) {
    if (object_.contains(name)) read(name, out);
  }

  void check_schema() {
    std::uint32_t schema = 0;
    read("schema", schema);
    if (!error_ && schema == 0) refuse("schema", "must be at least 1");
  }

  template <class T>
  Result<T> finish(T member) {
    if (error_) return std::unexpected<Error>(*std::move(error_));
    return member;
  }

 private:
  template <class T>
  void read_parsed(const char* name, T& out, Result<T> (*parse)(std::string_view)) {
    std::string text;
    read(name, text);
    if (error_) return;
    if (auto parsed = parse(text)) {
      out = *parsed;
    } else {
      refuse(name, "is wrong: " + parsed.error().message);
    }
  }

  const json::value* required(const char* name) {
    if (error_) return nullptr;
    const json::value* value = object_.if_contains(name);
    if (value == nullptr) refuse(name, "is missing");
    return value;
  }

  void refuse(std::string_view name, std::string_view what) {
    if (error_) return;
    std::string message(kind_);
    message += " member";
    if (!name.empty()) message.append(": `").append(name).append("`");
    message.append(" ").append(what);
    error_ = Error{ErrorCode::invalid_argument, std::move(message), std::string(name)};
  }

  std::string_view kind_;
  json::object object_;
  std::optional<Error> error_;
};

}  // namespace

std::string to_json(const MasterMember& member) {
  return json::serialize(json::object{{"schema", kMemberSchema},
                                      {"id", member.id},
                                      {"rpc_address", member.rpc_address},
                                      {"http_address", member.http_address},
                                      {"incarnation", to_string(member.incarnation)},
                                      {"version", member.version},
                                      {"started_at", format_time(member.started_at)}});
}

std::string to_json(const WorkerMember& member) {
  json::array groups(member.groups.begin(), member.groups.end());
  json::object labels;
  for (const auto& [key, value] : member.labels) labels[key] = value;
  return json::serialize(json::object{{"schema", kMemberSchema},
                                      {"id", member.id},
                                      {"address", member.address},
                                      {"incarnation", to_string(member.incarnation)},
                                      {"groups", std::move(groups)},
                                      {"slots", member.slots},
                                      {"weight", member.weight},
                                      {"labels", std::move(labels)},
                                      {"version", member.version},
                                      {"started_at", format_time(member.started_at)}});
}

Result<MasterMember> parse_master_member(std::string_view text) {
  FieldReader reader("master", text);
  MasterMember member;
  reader.check_schema();
  reader.read("id", member.id);
  reader.read("rpc_address", member.rpc_address);
  reader.read("http_address", member.http_address);
  reader.read("incarnation", member.incarnation);
  reader.read("version", member.version);
  reader.read("started_at", member.started_at);
  return reader.finish(std::move(member));
}

Result<WorkerMember> parse_worker_member(std::string_view text) {
  FieldReader reader("worker", text);
  WorkerMember member;
  reader.check_schema();
  reader.read("id", member.id);
  reader.read("address", member.address);
  reader.read("incarnation", member.incarnation);
  reader.read("groups", member.groups);
  reader.read("slots", member.slots);
  reader.read_if_present("weight", member.weight);
  reader.read_if_present("labels", member.labels);
  reader.read("version", member.version);
  reader.read("started_at", member.started_at);
  return reader.finish(std::move(member));
}

}  // namespace ringmaster
