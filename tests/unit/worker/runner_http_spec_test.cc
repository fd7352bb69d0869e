#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/task.h"
#include "worker/http_spec.h"

namespace ringmaster {
namespace {

using testing::ElementsAre;
using testing::Pair;
using namespace std::chrono_literals;

HttpSpec spec_of(const std::string& json) {
  auto spec = parse_http_spec(json);
  EXPECT_TRUE(spec) << json << ": " << spec.error().message;
  return spec ? *std::move(spec) : HttpSpec{};
}
HttpSpec spec_of_url(const std::string& url) {
  return spec_of(R"({"url":")" + url + "\"}");
}

TEST(HttpSpec, NeedsNoMoreThanAUrl) {
  const auto spec = spec_of_url("http://example.com/a?b=c");
  EXPECT_FALSE(spec.server.tls);
  EXPECT_EQ(spec.server.host, "example.com");
  EXPECT_EQ(spec.server.port, 80);
  EXPECT_EQ(spec.target, "/a?b=c");
  EXPECT_EQ(spec.method, "GET");
  EXPECT_TRUE(spec.headers.empty());
  EXPECT_FALSE(spec.body);
  EXPECT_THAT(spec.expected_status, ElementsAre(StatusRange{200, 299}));
  EXPECT_EQ(spec.connect_timeout, 10s);
}

TEST(HttpSpec, ReadsEveryField) {
  const auto spec = spec_of(
      R"({"url":"https://h:8443/","method":"PATCH","headers":{"X-A":"1 \u00e4","x-b":""},"body":"a\u0000b",
          "expected_status":[201,"4xx"],"connect_timeout":"1h"})");
  EXPECT_TRUE(spec.server.tls);
  EXPECT_EQ(to_string(spec.server), "h:8443");
  EXPECT_EQ(spec.method, "PATCH");
  EXPECT_THAT(spec.headers, ElementsAre(Pair("X-A", "1 ä"), Pair("x-b", "")));
  EXPECT_EQ(spec.body, std::string("a\0b", 3));
  EXPECT_FALSE(spec.body_is_json);
  EXPECT_THAT(spec.expected_status, ElementsAre(StatusRange{201, 201}, StatusRange{400, 499}));
  EXPECT_EQ(spec.connect_timeout, 1h);
}

TEST(HttpSpec, TakesEveryMethodItNames) {
  for (const std::string method : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
    EXPECT_EQ(spec_of(R"({"url":"http://h","method":")" + method + "\"}").method, method);
}

TEST(HttpSpec, SendsAnObjectOrAnArrayAsJson) {
  for (const std::string body : {R"({"a":[1,true,null],"b":"\n"})", "[]"}) {
    const auto spec = spec_of(R"({"url":"http://h","body":)" + body + "}");
    EXPECT_EQ(spec.body, body);
    EXPECT_TRUE(spec.body_is_json);
  }
}

TEST(HttpSpec, SplitsUrls) {
  struct Case {
    std::string url, server, header, target;
  };
  for (const auto& [url, server, header, target] : {
           Case{"HTTP://h", "h:80", "h", "/"},
           Case{"https://h", "h:443", "h", "/"},
           Case{"https://h:/", "h:443", "h", "/"},
           Case{"https://h:80/", "h:80", "h:80", "/"},
           Case{"http://h:00080/", "h:80", "h", "/"},
           Case{"http://h?a=1", "h:80", "h", "/?a=1"},
           Case{"http://h:1/a%20b/../c?x=%22&y", "h:1", "h:1", "/a%20b/../c?x=%22&y"},
           Case{"http://127.0.0.1:65535/", "127.0.0.1:65535", "127.0.0.1:65535", "/"},
           Case{"http://[::1]:8080/x", "[::1]:8080", "[::1]:8080", "/x"},
           Case{"http://[::1]/x", "[::1]:80", "[::1]", "/x"},
           Case{"http://a-b_c.example./", "a-b_c.example.:80", "a-b_c.example.", "/"},
       }) {
    const auto spec = spec_of_url(url);
    EXPECT_EQ(to_string(spec.server), server) << url;
    EXPECT_EQ(host_header(spec.server), header) << url;
    EXPECT_EQ(spec.target, target) << url;
  }
  EXPECT_EQ(spec_of_url("http://[::1]/").server.host, "::1");
}

TEST(HttpSpec, ExpectsTheStatusesAndTheClassesItNames) {
  const auto spec = spec_of(R"({"url":"http://h","expected_status":[404,"3xx"]})");
  for (const int status : {300, 399, 404}) EXPECT_TRUE(spec.expects(status)) << status;
  for (const int status : {0, 200, 299, 400, 403, 405}) EXPECT_FALSE(spec.expects(status)) << status;
}

TEST(HttpSpec, KnowsASecretHeaderFromAnOrdinaryOne) {
  const auto spec = spec_of(
      R"({"url":"http://h","headers":{"A":{"secret":"s","prefix":"Bearer "},"B":{"secret":"t"},"C":"c"}})");
  EXPECT_EQ(spec.secret_headers, (std::vector<SecretHeader>{{"A", "s", "Bearer "}, {"B", "t", ""}}));
  EXPECT_EQ(spec.headers.size(), 1U);
  EXPECT_TRUE(spec.has_header("a"));
}

TEST(HttpSpec, FindsAHeaderWhateverItsCase) {
  const auto spec = spec_of(R"({"url":"http://h","headers":{"Content-Type":"a"}})");
  EXPECT_TRUE(spec.has_header("content-TYPE"));
  EXPECT_FALSE(spec.has_header("content"));
}

struct Refusal {
  std::string json, field, message;
};

Refusal of_url(const std::string& url, const std::string& why) {
  return {R"({"url":")" + url + "\"}", "spec.url", "spec.url: " + why};
}
// Of one field of a spec that is good otherwise.
Refusal of(const std::string& json, const std::string& field, const std::string& why) {
  return {R"({"url":"http://h",)" + json + "}", field, field + ": " + why};
}

class HttpSpecRefuses : public testing::TestWithParam<Refusal> {};

TEST_P(HttpSpecRefuses, NamingTheFieldAndTheReason) {
  const auto spec = parse_http_spec(GetParam().json);
  ASSERT_FALSE(spec) << GetParam().json;
  EXPECT_EQ(spec.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(spec.error().field, GetParam().field);
  EXPECT_EQ(spec.error().message, GetParam().message);
}

const std::string kNotAUrl = "must be an absolute URL such as https://example.com/path?query=1";
const std::string kNotAHost = "the host must be an IP address or a name of letters, digits, '-', '_' and '.'";
const std::string kNotAName = "a name must be 1 to 256 letters, digits and !#$%&'*+-.^_`|~";
const std::string kControl = "must not contain control characters such as CR and LF";
const std::string kNotAMethod = "must be one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const std::string kNotStatuses =
    "must be a list of 1 to 64 statuses, each a number from 200 to 599 or one of \"2xx\" to \"5xx\"";

INSTANTIATE_TEST_SUITE_P(
    Whole, HttpSpecRefuses,
    testing::Values(Refusal{"", "spec", "spec: is not JSON: incomplete JSON"},
                    Refusal{"{} x", "spec", "spec: is not JSON: extra data"},
                    Refusal{"[]", "spec", "spec: must be a JSON object"},
                    Refusal{"{}", "spec.url", "spec.url: is needed"},
                    Refusal{R"({"body":")" + std::string(kMaxSpecBytes, 'x') + R"("})", "spec",
                            "spec: must be at most 262144 bytes"},
                    of(R"("verify":false)", "spec.verify",
                       "unknown field; known are url, method, headers, body, expected_status, "
                       "connect_timeout")));

INSTANTIATE_TEST_SUITE_P(
    Url, HttpSpecRefuses,
    testing::Values(Refusal{R"({"url":1})", "spec.url", "spec.url: must be a string"}, of_url("", kNotAUrl),
                    of_url("example.com/a", kNotAUrl), of_url("http:/a", kNotAUrl),
                    of_url("http://h/a b", kNotAUrl), of_url("http://h/\\r\\nX: 1", kNotAUrl),
                    of_url("http://h/ä", kNotAUrl), of_url("http://h:x/", kNotAUrl),
                    of_url("http://h:80x/", kNotAUrl), of_url("http://1.2.3.4.5/", kNotAUrl),
                    of_url("http://[::1]x/", kNotAUrl),
                    of_url("ftp://h/", "the scheme must be http or https"),
                    of_url("file:///etc/passwd", "the scheme must be http or https"),
                    of_url("http://me@h/", "must not contain a user; send an Authorization header"),
                    of_url("http://me:secret@h/", "must not contain a user; send an Authorization header"),
                    of_url("http://h/#top", "must not contain a fragment: it would not be sent"),
                    of_url("http://", kNotAHost), of_url("http://:80/", kNotAHost),
                    of_url("http://a%41/", kNotAHost), of_url("http://a!b/", kNotAHost),
                    of_url("http://[v1.x]/", kNotAHost),
                    of_url("http://" + std::string(254, 'a') + "/", kNotAHost),
                    of_url("http://h:0/", "the port must be 1 to 65535"),
                    of_url("http://h:65536/", "the port must be 1 to 65535")));

INSTANTIATE_TEST_SUITE_P(
    Fields, HttpSpecRefuses,
    testing::Values(
        of(R"("method":"get")", "spec.method", kNotAMethod),
        of(R"("method":"CONNECT")", "spec.method", kNotAMethod),
        of(R"("method":1)", "spec.method", kNotAMethod),
        of(R"("body":null)", "spec.body", "must be a string, or an object or an array to be sent as JSON"),
        of(R"("body":1)", "spec.body", "must be a string, or an object or an array to be sent as JSON"),
        of(R"("expected_status":200)", "spec.expected_status", kNotStatuses),
        of(R"("expected_status":[])", "spec.expected_status", kNotStatuses),
        of(R"("expected_status":[199])", "spec.expected_status", kNotStatuses),
        of(R"("expected_status":[600])", "spec.expected_status", kNotStatuses),
        of(R"("expected_status":["1xx"])", "spec.expected_status", kNotStatuses),
        of(R"("expected_status":["6xx"])", "spec.expected_status", kNotStatuses),
        of(R"("expected_status":["2XX"])", "spec.expected_status", kNotStatuses),
        of(R"("expected_status":["200"])", "spec.expected_status", kNotStatuses),
        of(R"("expected_status":[2e2])", "spec.expected_status", kNotStatuses),
        of(R"("connect_timeout":10)", "spec.connect_timeout", "must be a duration such as \"10s\""),
        of(R"("connect_timeout":"10")", "spec.connect_timeout", parse_duration("10").error().message),
        of(R"("connect_timeout":"0s")", "spec.connect_timeout", "must be more than 0s and at most 1h"),
        of(R"("connect_timeout":"61m")", "spec.connect_timeout", "must be more than 0s and at most 1h")));

INSTANTIATE_TEST_SUITE_P(
    Headers, HttpSpecRefuses,
    testing::Values(
        of(R"("headers":[])", "spec.headers", "must be an object of strings, or of secrets"),
        of(R"("headers":{"":"x"})", "spec.headers", kNotAName),
        of(R"("headers":{"a b":"x"})", "spec.headers", kNotAName),
        of(R"("headers":{"a:b":"x"})", "spec.headers", kNotAName),
        of(R"("headers":{"a\r\nb":"x"})", "spec.headers", kNotAName),
        of(R"("headers":{"ä":"x"})", "spec.headers", kNotAName),
        of(R"("headers":{")" + std::string(257, 'a') + R"(":"x"})", "spec.headers", kNotAName),
        of(R"("headers":{"A":1})", "spec.headers.A", "must be a string, or an object with a secret"),
        of(R"("headers":{"A":"x\r\nB: y"})", "spec.headers.A", kControl),
        of(R"("headers":{"A":"\n"})", "spec.headers.A", kControl),
        of(R"("headers":{"A":"\r"})", "spec.headers.A", kControl),
        of(R"("headers":{"A":"\u0000"})", "spec.headers.A", kControl),
        of(R"("headers":{"A":"\u007f"})", "spec.headers.A", kControl),
        of(R"("headers":{"A":")" + std::string(kMaxHeaderValue + 1, 'x') + R"("})", "spec.headers.A",
           "must be at most 8192 bytes"),
        of(R"("headers":{"host":"x"})", "spec.headers.host", "is set by the worker"),
        of(R"("headers":{"Content-Length":"1"})", "spec.headers.Content-Length", "is set by the worker"),
        of(R"("headers":{"transfer-encoding":"chunked"})", "spec.headers.transfer-encoding",
           "is set by the worker"),
        of(R"("headers":{"CONNECTION":"close"})", "spec.headers.CONNECTION", "is set by the worker"),
        of(R"("headers":{"ringmaster-fence":"9.9"})", "spec.headers.ringmaster-fence",
           "names that begin with Ringmaster- are reserved"),
        of(R"("headers":{"Accept":"a","accept":"b"})", "spec.headers.accept", "is there twice")));

TEST(HttpSpec, AllowsWhatItsBoundsSay) {
  EXPECT_EQ(spec_of_url("http://" + std::string(253, 'a') + "/").server.host.size(), 253U);
  EXPECT_EQ(spec_of(R"({"url":"http://h","headers":{")" + std::string(256, 'a') + R"(":")" +
                    std::string(kMaxHeaderValue, 'x') + R"("}})")
                .headers.size(),
            1U);
  EXPECT_EQ(spec_of(R"({"url":"http://h","connect_timeout":"1us"})").connect_timeout, 1us);
  EXPECT_TRUE(spec_of(R"({"url":"http://h","expected_status":[599]})").expects(599));
}

}  // namespace
}  // namespace ringmaster
