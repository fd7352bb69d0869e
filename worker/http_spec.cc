#include "worker/http_spec.h"

#include <algorithm>
#include <array>

#include <boost/json.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "base/task.h"
#include "worker/secret_store.h"

namespace ringmaster {
namespace {

namespace json = boost::json;
namespace urls = boost::urls;

constexpr std::array<std::string_view, 7> kMethods{"GET",   "HEAD",   "POST",   "PUT",
                                                   "PATCH", "DELETE", "OPTIONS"};
constexpr std::array<std::string_view, 4> kFramingHeaders{"Host", "Content-Length", "Transfer-Encoding",
                                                          "Connection"};
constexpr std::string_view kReservedPrefix = "Ringmaster-";
constexpr std::size_t kMaxHostName = 253;
constexpr std::size_t kMaxHeaderName = 256;
constexpr int kLowestStatus = 200, kHighestStatus = 599;  // 1xx are never the answer

std::unexpected<Error> refuse(std::string_view field, std::string_view why) {
  auto name = "spec" + (field.empty() ? std::string() : "." + std::string(field));
  return fail(ErrorCode::invalid_argument, name + ": " + std::string(why), name);
}

// ASCII, whatever the locale.
constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
constexpr bool is_alphanumeric(char c) {
  return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9');
}
bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

// RFC 9110, 5.6.2.
bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() &&
         std::ranges::all_of(text, [&](char c) { return is_alphanumeric(c) || kMarks.contains(c); });
}

bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
}

bool is_host_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxHostName && std::ranges::all_of(name, [](char c) {
    return is_alphanumeric(c) || c == '-' || c == '_' || c == '.';
  });
}

constexpr std::uint16_t own_port(bool tls) {
  return tls ? 443 : 80;
}

std::string bracketed(const std::string& host) {
  return host.contains(':') ? "[" + host + "]" : host;
}

Result<> read_host(const urls::url_view& url, HttpSpec& spec) {
  switch (url.host_type()) {
    case urls::host_type::ipv4:
    case urls::host_type::ipv6:
      spec.server.host = url.host_address();
      return {};
    case urls::host_type::name:
      spec.server.host = std::string(url.encoded_host_name());
      if (is_host_name(spec.server.host)) return {};
      break;
    default:
      break;
  }
  return refuse("url", "the host must be an IP address or a name of letters, digits, '-', '_' and '.'");
}

Result<> read_url(const json::value& value, HttpSpec& spec) {
  if (!value.is_string()) return refuse("url", "must be a string");
  const auto parsed = urls::parse_uri(value.get_string());
  // The library also takes http://1.2.3.4.5/, for 1.2.3.4 and a path of .5/.
  const auto path = parsed ? parsed->encoded_path() : urls::pct_string_view();
  if (!parsed || !parsed->has_authority() || !(path.empty() || path.starts_with('/'))) {
    return refuse("url", "must be an absolute URL such as https://example.com/path?query=1");
  }
  const urls::url_view& url = *parsed;
  if (url.scheme_id() != urls::scheme::http && url.scheme_id() != urls::scheme::https) {
    return refuse("url", "the scheme must be http or https");
  }
  if (url.has_userinfo()) return refuse("url", "must not contain a user; send an Authorization header");
  if (url.has_fragment()) return refuse("url", "must not contain a fragment: it would not be sent");
  if (auto host = read_host(url, spec); !host) return host;
  spec.server.tls = url.scheme_id() == urls::scheme::https;
  spec.server.port = own_port(spec.server.tls);
  if (url.has_port() && !url.port().empty()) {
    if (url.port_number() == 0) return refuse("url", "the port must be 1 to 65535");
    spec.server.port = url.port_number();
  }
  spec.target = std::string(url.encoded_target());
  if (!spec.target.starts_with('/')) spec.target.insert(0, "/");
  return {};
}

Result<> read_method(const json::value& value, HttpSpec& spec) {
  if (!value.is_string() || std::ranges::count(kMethods, std::string_view(value.get_string())) == 0) {
    return refuse("method", "must be one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
  }
  spec.method = value.get_string();
  return {};
}

Result<> check_header_value(std::string_view field, std::string_view text) {
  if (text.size() > kMaxHeaderValue) {
    return refuse(field, "must be at most " + std::to_string(kMaxHeaderValue) + " bytes");
  }
  if (std::ranges::any_of(text, is_control)) {
    return refuse(field, "must not contain control characters such as CR and LF");
  }
  return {};
}

Result<> read_secret_header(const std::string& field, const std::string& name, const json::object& value,
                            HttpSpec& spec) {
  SecretHeader header{name, {}, {}};
  for (const auto& entry : value) {
    const auto* const text = entry.value().if_string();
    const bool known = entry.key() == "secret" || entry.key() == "prefix";
    if (!known || text == nullptr)
      return refuse(field, "expected {\"secret\": \"name\", \"prefix\": \"Bearer \"}, the prefix optional");
    (entry.key() == "secret" ? header.secret : header.prefix) = *text;
  }
  if (!is_secret_name(header.secret))
    return refuse(field + ".secret", "must be 1 to 128 letters, digits, '.', '_' and '-', the first no '.'");
  if (auto valid = check_header_value(field + ".prefix", header.prefix); !valid) return valid;
  spec.secret_headers.push_back(std::move(header));
  return {};
}

Result<> read_headers(const json::value& value, HttpSpec& spec) {
  if (!value.is_object()) return refuse("headers", "must be an object of strings, or of secrets");
  for (const auto& entry : value.get_object()) {
    const std::string name(entry.key());
    if (!is_token(name) || name.size() > kMaxHeaderName) {
      return refuse("headers", "a name must be 1 to 256 letters, digits and !#$%&'*+-.^_`|~");
    }
    const auto field = "headers." + name;
    const auto is_it = [&](std::string_view other) { return equal_ignoring_case(name, other); };
    if (std::ranges::any_of(kFramingHeaders, is_it)) return refuse(field, "is set by the worker");
    if (equal_ignoring_case(std::string_view(name).substr(0, kReservedPrefix.size()), kReservedPrefix)) {
      return refuse(field, "names that begin with Ringmaster- are reserved");
    }
    if (spec.has_header(name)) return refuse(field, "is there twice");
    if (entry.value().is_object()) {
      if (auto read = read_secret_header(field, name, entry.value().get_object(), spec); !read) return read;
      continue;
    }
    if (!entry.value().is_string()) return refuse(field, "must be a string, or an object with a secret");
    const std::string text(entry.value().get_string());
    if (auto valid = check_header_value(field, text); !valid) return valid;
    spec.headers.emplace_back(name, text);
  }
  return {};
}

Result<> read_body(const json::value& value, HttpSpec& spec) {
  if (value.is_string()) {
    spec.body = std::string(value.get_string());
  } else if (value.is_object() || value.is_array()) {
    spec.body = json::serialize(value);
    spec.body_is_json = true;
  } else {
    return refuse("body", "must be a string, or an object or an array to be sent as JSON");
  }
  return {};
}

std::optional<StatusRange> status_range(const json::value& value) {
  if (value.is_int64()) {
    const auto status = value.get_int64();
    if (status < kLowestStatus || status > kHighestStatus) return std::nullopt;
    return StatusRange{static_cast<int>(status), static_cast<int>(status)};
  }
  if (!value.is_string()) return std::nullopt;
  const std::string_view text(value.get_string());
  if (text.size() != 3 || text[0] < '2' || text[0] > '5' || !text.ends_with("xx")) return std::nullopt;
  const int first = (text[0] - '0') * 100;
  return StatusRange{first, first + 99};
}

Result<> read_expected_status(const json::value& value, HttpSpec& spec) {
  constexpr std::string_view kWanted =
      "must be a list of 1 to 64 statuses, each a number from 200 to 599 or one of \"2xx\" to \"5xx\"";
  if (!value.is_array() || value.get_array().empty() || value.get_array().size() > kMaxExpectedStatuses) {
    return refuse("expected_status", kWanted);
  }
  spec.expected_status.clear();
  for (const auto& entry : value.get_array()) {
    const auto range = status_range(entry);
    if (!range) return refuse("expected_status", kWanted);
    spec.expected_status.push_back(*range);
  }
  return {};
}

Result<> read_connect_timeout(const json::value& value, HttpSpec& spec) {
  if (!value.is_string()) return refuse("connect_timeout", "must be a duration such as \"10s\"");
  const auto limit = parse_duration(std::string_view(value.get_string()));
  if (!limit) return refuse("connect_timeout", limit.error().message);
  if (*limit <= Duration::zero() || *limit > kMaxConnectTimeout) {
    return refuse("connect_timeout", "must be more than 0s and at most 1h");
  }
  spec.connect_timeout = *limit;
  return {};
}

struct Field {
  std::string_view name;
  Result<> (*read)(const json::value&, HttpSpec&);
};
constexpr std::array<Field, 6> kFields{{
    {"url", read_url},
    {"method", read_method},
    {"headers", read_headers},
    {"body", read_body},
    {"expected_status", read_expected_status},
    {"connect_timeout", read_connect_timeout},
}};

}  // namespace

std::string to_string(const HttpServerName& server) {
  return bracketed(server.host) + ":" + std::to_string(server.port);
}

std::string host_header(const HttpServerName& server) {
  return server.port == own_port(server.tls) ? bracketed(server.host) : to_string(server);
}

bool HttpSpec::expects(int status) const {
  return std::ranges::any_of(
      expected_status, [&](const auto& range) { return range.first <= status && status <= range.last; });
}

bool HttpSpec::has_header(std::string_view name) const {
  return std::ranges::any_of(headers,
                             [&](const auto& header) { return equal_ignoring_case(header.first, name); }) ||
         std::ranges::any_of(secret_headers,
                             [&](const auto& header) { return equal_ignoring_case(header.name, name); });
}

bool is_header_value(std::string_view text) {
  return text.size() <= kMaxHeaderValue && std::ranges::none_of(text, is_control);
}

Result<HttpSpec> parse_http_spec(std::string_view text) {
  if (text.size() > kMaxSpecBytes)
    return refuse("", "must be at most " + std::to_string(kMaxSpecBytes) + " bytes");
  boost::system::error_code error;
  const json::value value = json::parse(json::string_view(text.data(), text.size()), error);
  if (error) return refuse("", "is not JSON: " + error.message());
  if (!value.is_object()) return refuse("", "must be a JSON object");
  HttpSpec spec;
  for (const auto& entry : value.get_object()) {
    const std::string name(entry.key());
    const auto* const field = std::ranges::find(kFields, name, &Field::name);
    if (field == kFields.end()) {
      return refuse(name,
                    "unknown field; known are url, method, headers, body, expected_status, connect_timeout");
    }
    if (auto read = field->read(entry.value(), spec); !read) return std::unexpected(read.error());
  }
  if (spec.target.empty()) return refuse("url", "is needed");
  return spec;
}

}  // namespace ringmaster
