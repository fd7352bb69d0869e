#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tests/unit/worker/http_fixture.h"

namespace ringmaster {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using namespace std::chrono_literals;

template <class T, void (*Free)(T*)>
struct Freed {
  void operator()(T* it) const { Free(it); }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509, X509_free>>;

// Signed by itself; for `names`, such as `DNS:localhost,IP:127.0.0.1`; valid from `from` to `until`, seconds
// from now.
struct SelfSigned {
  explicit SelfSigned(const std::string& names, long from = -3600, long until = 3600)
      : key(EVP_EC_gen("P-256")), certificate(X509_new()) {
    X509* const x = certificate.get();
    ::X509_set_version(x, X509_VERSION_3);
    ::ASN1_INTEGER_set(::X509_get_serialNumber(x), 1);
    ::X509_gmtime_adj(::X509_getm_notBefore(x), from);
    ::X509_gmtime_adj(::X509_getm_notAfter(x), until);
    const auto* const name = reinterpret_cast<const unsigned char*>("test");
    ::X509_NAME_add_entry_by_txt(::X509_get_subject_name(x), "CN", MBSTRING_ASC, name, -1, -1, 0);
    ::X509_set_issuer_name(x, ::X509_get_subject_name(x));
    ::X509_set_pubkey(x, key.get());
    X509_EXTENSION* const extension =
        ::X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str());
    ::X509_add_ext(x, extension, -1);
    ::X509_EXTENSION_free(extension);
    if (::X509_sign(x, key.get(), EVP_sha256()) == 0) throw std::runtime_error("cannot sign");
  }
  void write(const std::string& path) const {
    FILE* const file = std::fopen(path.c_str(), "w");
    ::PEM_write_X509(file, certificate.get());
    std::fclose(file);
  }
  Key key;
  Certificate certificate;
};

class HttpRunnerTls : public HttpRunnerTest {
 protected:
  ~HttpRunnerTls() override { ::unsetenv("SSL_CERT_FILE"); }

  // `trusted`: the runner's system has it among its CA certificates.
  void serve(const SelfSigned& identity, bool trusted) {
    ::SSL_CTX_use_certificate(context_.native_handle(), identity.certificate.get());
    ::SSL_CTX_use_PrivateKey(context_.native_handle(), identity.key.get());
    const auto path = directory_.path() + "/ca.pem";
    if (trusted) identity.write(path);
    ::setenv("SSL_CERT_FILE", path.c_str(), 1);
    server_.answer = http_answer("200 OK", "secret");
  }
  AttemptResult get(const std::string& host, Duration timeout = Duration::zero()) {
    return run(spec_of("https://" + host + ":" + server_.port()), timeout);
  }
  void expect_refused(const AttemptResult& result, const std::string& host, const std::string& why) {
    EXPECT_EQ(result.outcome, Outcome::failed);
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_FALSE(result.permanent);
    EXPECT_EQ(result.message,
              "the certificate of " + host + ":" + server_.port() + " is refused: " + why +
                  "; it must be valid for this host and issued by a CA that the worker's system trusts");
    EXPECT_THAT(server_.requests, IsEmpty());
  }

  boost::asio::ssl::context context_{boost::asio::ssl::context::tls_server};
  HttpTestServer server_{loop_, &context_};
};

TEST_F(HttpRunnerTls, AsksAServerWithATrustedCertificateNamingTheHost) {
  serve(SelfSigned("DNS:localhost,IP:127.0.0.1"), true);
  for (const std::string host : {"localhost", "127.0.0.1"}) {
    const auto result = get(host);
    EXPECT_EQ(result.outcome, Outcome::succeeded) << result.message;
    EXPECT_EQ(result.output_tail, "secret");
  }
  EXPECT_THAT(server_.sni, ElementsAre("localhost", ""));
}

TEST_F(HttpRunnerTls, RefusesACertificateThatSignsItself) {
  serve(SelfSigned("DNS:localhost,IP:127.0.0.1"), false);
  for (const std::string host : {"localhost", "127.0.0.1"})
    expect_refused(get(host), host, "self-signed certificate");
}

TEST_F(HttpRunnerTls, RefusesTheCertificateOfAnotherHost) {
  serve(SelfSigned("DNS:example.com,IP:127.0.0.2"), true);
  expect_refused(get("localhost"), "localhost", "hostname mismatch");
  expect_refused(get("127.0.0.1"), "127.0.0.1", "IP address mismatch");
}

TEST_F(HttpRunnerTls, RefusesACertificateThatHasExpired) {
  serve(SelfSigned("DNS:localhost", -7200, -3600), true);
  expect_refused(get("localhost"), "localhost", "certificate has expired");
}

TEST_F(HttpRunnerTls, ReadsALargeBody) {
  serve(SelfSigned("DNS:localhost"), true);
  server_.answer = http_answer("200 OK", std::string(1'000'000, 'x') + "end");
  EXPECT_TRUE(get("localhost").output_tail.ends_with("xend"));
}

TEST_F(HttpRunnerTls, ABodyThatEndsWithTheConnectionMustEndAsTlsWantsIt) {
  serve(SelfSigned("DNS:localhost"), true);
  server_.answer = "HTTP/1.0 200 OK\r\n\r\nabc";
  EXPECT_EQ(get("localhost").message, "");
  server_.says_goodbye = false;  // somebody in between may have cut it
  EXPECT_EQ(get("localhost").message, "HTTP 200 OK, but localhost:" + server_.port() +
                                          " closed the connection in the middle of the body");
}

TEST_F(HttpRunnerTls, SaysThatTheServerDoesNotSpeakTls) {
  boost::asio::ip::tcp::acceptor plain(loop_.context(), {boost::asio::ip::address_v4::loopback(), 0});
  std::optional<boost::asio::ip::tcp::socket> accepted;
  plain.async_accept([&](const boost::system::error_code&, boost::asio::ip::tcp::socket socket) {
    accepted = std::move(socket);
    boost::asio::write(*accepted, boost::asio::buffer("HTTP/1.1 400 Bad Request\r\n\r\n", 28));
  });
  const auto address = "127.0.0.1:" + std::to_string(plain.local_endpoint().port());
  const auto result = run(spec_of("https://" + address));
  EXPECT_EQ(result.outcome, Outcome::failed);
  EXPECT_EQ(result.message,
            "no TLS with " + address + ": wrong version number (SSL routines); check that it serves https");
}

TEST_F(HttpRunnerTls, GivesUpAHandshakeThatTakesTooLong) {
  boost::asio::ip::tcp::acceptor silent(loop_.context(), {boost::asio::ip::address_v4::loopback(), 0});
  const auto address = "127.0.0.1:" + std::to_string(silent.local_endpoint().port());
  const auto result = run(spec_of("https://" + address, R"(,"connect_timeout":"30ms")"));
  EXPECT_EQ(result.outcome, Outcome::failed);
  EXPECT_EQ(result.message,
            "no connection within the connect_timeout of 30ms: in the TLS handshake with " + address);
  const auto timed_out = run(spec_of("https://" + address), 30ms);
  EXPECT_EQ(timed_out.outcome, Outcome::timed_out);
  EXPECT_EQ(timed_out.message, "stopped after its time-out of 30ms: in the TLS handshake with " + address);
}

TEST_F(HttpRunnerTls, KillAndDestructionCloseTheConnection) {
  serve(SelfSigned("DNS:localhost"), true);
  server_.answer.clear();
  for (int i = 1; i <= 2; ++i) start(token_of(i), spec_of("https://localhost:" + server_.port()));
  ASSERT_TRUE(run_until([&] { return server_.requests.size() == 2; }));
  runner_->kill(token_of(1));
  EXPECT_EQ(result_of(token_of(1)).outcome, Outcome::cancelled);
  ASSERT_TRUE(run_until([&] { return server_.closed_by_client == 1; }));
  runner_.reset();
  ASSERT_TRUE(run_until([&] { return server_.closed_by_client == 2; }));
  EXPECT_EQ(handler_.finished.size(), 1U);
}

}  // namespace
}  // namespace ringmaster
