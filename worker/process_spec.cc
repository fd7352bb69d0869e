#include "worker/process_spec.h"

#include <boost/json.hpp>

#include "base/task.h"
#include "base/utf8.h"
#include "worker/secret_store.h"

namespace ringmaster {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxExitCodes = 256;
constexpr std::size_t kMaxUserName = 256;

std::unexpected<Error> refuse(std::string_view field, std::string_view why) {
  auto name = "spec" + (field.empty() ? std::string() : "." + std::string(field));
  return fail(ErrorCode::invalid_argument, name + ": " + std::string(why), name);
}

// A string that the kernel can take: no NUL inside.
Result<std::string> read_text(std::string_view field, const json::value& value) {
  if (!value.is_string()) return refuse(field, "must be a string");
  std::string text(value.get_string());
  if (text.contains('\0')) return refuse(field, "must not contain a NUL character");
  return text;
}

Result<> read_argv(const json::value& value, ProcessSpec& spec) {
  if (!value.is_array() || value.get_array().empty()) {
    return refuse("argv", "must be a list of strings, the program first");
  }
  if (value.get_array().size() > kMaxArguments) {
    return refuse("argv", "must have at most " + std::to_string(kMaxArguments) + " entries");
  }
  for (const auto& entry : value.get_array()) {
    auto text = read_text("argv", entry);
    if (!text) return std::unexpected(text.error());
    spec.argv.push_back(std::move(*text));
  }
  const auto& program = spec.argv.front();
  if (program.empty()) return refuse("argv", "the program's name is empty");
  if (!program.contains('/') && program.size() > kMaxProgramName)
    return refuse("argv", "a program's name without a path must be at most " +
                              std::to_string(kMaxProgramName) + " bytes");
  return {};
}

Result<> read_shell(const json::value& value, ProcessSpec& spec) {
  auto text = read_text("shell", value);
  if (!text) return std::unexpected(text.error());
  if (text->empty()) return refuse("shell", "is empty");
  spec.argv = {"/bin/sh", "-c", std::move(*text)};
  return {};
}

Result<> check_variable(std::string_view field, std::string_view name) {
  if (name.empty() || name.contains('=') || name.contains('\0')) {
    return refuse(field, "a name must not be empty nor contain '=' or NUL");
  }
  if (name.starts_with("RINGMASTER_")) return refuse(field, "names that begin with RINGMASTER_ are reserved");
  return {};
}

Result<> read_env(const json::value& value, ProcessSpec& spec) {
  if (!value.is_object()) return refuse("env", "must be an object of strings");
  for (const auto& entry : value.get_object()) {
    const std::string name(entry.key());
    if (auto valid = check_variable("env", name); !valid) return valid;
    auto text = read_text("env." + name, entry.value());
    if (!text) return std::unexpected(text.error());
    if (name == "PATH" && text->size() > kMaxSearchPath)
      return refuse("env.PATH", "must be at most " + std::to_string(kMaxSearchPath) + " bytes");
    spec.env.emplace_back(name, std::move(*text));
  }
  return {};
}

Result<> read_secrets(const json::value& value, ProcessSpec& spec) {
  constexpr std::string_view kWanted =
      "must be the name of a secret: 1 to 128 letters, digits, '.', '_' and '-', the first no '.'";
  if (!value.is_object() || value.get_object().size() > kMaxSecrets)
    return refuse("secrets", "must be an object with at most " + std::to_string(kMaxSecrets) +
                                 " variables and the names of their secrets");
  for (const auto& entry : value.get_object()) {
    const std::string name(entry.key());
    if (auto valid = check_variable("secrets", name); !valid) return valid;
    const auto* secret = entry.value().if_string();
    if (secret == nullptr || !is_secret_name(*secret)) return refuse("secrets." + name, kWanted);
    spec.secrets.emplace_back(name, std::string(*secret));
  }
  return {};
}

Result<> read_run_as(const json::value& value, ProcessSpec& spec) {
  const auto* name = value.if_string();
  if (name == nullptr || name->empty() || name->size() > kMaxUserName || !is_printable_utf8(*name))
    return refuse("run_as", "must be the name of a user");
  spec.run_as = *name;
  return {};
}

Result<> read_limits(const json::value& value, ProcessSpec& spec) {
  auto limits = parse_attempt_limits(value);
  if (!limits) return std::unexpected(limits.error());
  spec.limits = *limits;
  return {};
}

Result<> read_cwd(const json::value& value, ProcessSpec& spec) {
  auto text = read_text("cwd", value);
  if (!text) return std::unexpected(text.error());
  if (!text->starts_with('/')) return refuse("cwd", "must be an absolute path");
  spec.cwd = std::move(*text);
  return {};
}

Result<> read_stdin(const json::value& value, ProcessSpec& spec) {
  if (!value.is_string()) return refuse("stdin", "must be a string");
  spec.stdin_text = std::string(value.get_string());
  return {};
}

Result<> read_exit_codes(const json::value& value, ProcessSpec& spec) {
  constexpr std::string_view kWanted = "must be a list of 1 to 256 exit codes, each 0 to 255";
  if (!value.is_array() || value.get_array().empty() || value.get_array().size() > kMaxExitCodes) {
    return refuse("success_exit_codes", kWanted);
  }
  spec.success_exit_codes.clear();
  for (const auto& entry : value.get_array()) {
    if (!entry.is_int64() || entry.get_int64() < 0 || entry.get_int64() > 255) {
      return refuse("success_exit_codes", kWanted);
    }
    spec.success_exit_codes.push_back(static_cast<int>(entry.get_int64()));
  }
  return {};
}

Result<> read_kill_grace(const json::value& value, ProcessSpec& spec) {
  if (!value.is_string()) return refuse("kill_grace", "must be a duration such as \"10s\"");
  const auto grace = parse_duration(std::string_view(value.get_string()));
  if (!grace) return refuse("kill_grace", grace.error().message);
  if (*grace > kMaxKillGrace) return refuse("kill_grace", "must be at most 1h");
  spec.kill_grace = *grace;
  return {};
}

struct Field {
  std::string_view name;
  Result<> (*read)(const json::value&, ProcessSpec&);
};
constexpr Field kFields[] = {
    {"argv", read_argv},
    {"shell", read_shell},
    {"env", read_env},
    {"secrets", read_secrets},
    {"run_as", read_run_as},
    {"limits", read_limits},
    {"cwd", read_cwd},
    {"stdin", read_stdin},
    {"success_exit_codes", read_exit_codes},
    {"kill_grace", read_kill_grace},
};

const Field* find_field(std::string_view name) {
  for (const auto& field : kFields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

// Whichever came last would win in one program and lose in another.
Result<> check_variables(const ProcessSpec& spec) {
  for (const auto& [name, secret] : spec.secrets) {
    for (const auto& [other, value] : spec.env) {
      if (name == other) return refuse("secrets." + name, "is in env too");
    }
  }
  return {};
}

Result<> check_size(const ProcessSpec& spec) {
  std::size_t bytes = 0;
  for (const auto& text : spec.argv) bytes += text.size() + 1;
  for (const auto& [name, value] : spec.env) bytes += name.size() + value.size() + 2;
  if (bytes <= kMaxArgumentBytes) return {};
  return refuse("", "argv and env together must be at most " + std::to_string(kMaxArgumentBytes) +
                        " bytes; pass more through stdin");
}

}  // namespace

Result<ProcessSpec> parse_process_spec(std::string_view text) {
  if (text.size() > kMaxSpecBytes)
    return refuse("", "must be at most " + std::to_string(kMaxSpecBytes) + " bytes");
  boost::system::error_code error;
  const json::value value = json::parse(json::string_view(text.data(), text.size()), error);
  if (error) return refuse("", "is not JSON: " + error.message());
  if (!value.is_object()) return refuse("", "must be a JSON object");
  const auto& object = value.get_object();
  if (object.contains("argv") == object.contains("shell")) {
    return refuse("", "exactly one of argv and shell is needed");
  }
  ProcessSpec spec;
  for (const auto& entry : object) {
    const std::string name(entry.key());
    const Field* field = find_field(name);
    if (field == nullptr) {
      return refuse(name,
                    "unknown field; known are argv, shell, env, secrets, run_as, limits, cwd, stdin, "
                    "success_exit_codes, kill_grace");
    }
    if (auto read = field->read(entry.value(), spec); !read) return std::unexpected(read.error());
  }
  if (auto clear = check_variables(spec); !clear) return std::unexpected(clear.error());
  if (auto fits = check_size(spec); !fits) return std::unexpected(fits.error());
  return spec;
}

}  // namespace ringmaster
