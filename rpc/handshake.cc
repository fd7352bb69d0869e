#include "rpc/handshake.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include <glog/logging.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "base/utf8.h"
#include "rpc/proto/ringmaster.pb.h"

namespace ringmaster {
namespace {

constexpr std::size_t kMacBytes = 32;
constexpr std::size_t kMaxNameBytes = 256;
constexpr std::string_view kDiallerLabel = "ringmaster handshake 1, dialler";
constexpr std::string_view kAcceptorLabel = "ringmaster handshake 1, acceptor";

std::string_view view(const Nonce& nonce) {
  return {nonce.data(), nonce.size()};
}

std::string mac(std::string_view secret, std::initializer_list<std::string_view> fields) {
  std::string text;
  for (const auto field : fields) {
    // Lengths keep two different lists of fields from running together into the same text.
    const auto length = static_cast<std::uint32_t>(field.size());
    for (unsigned shift = 0; shift < 32; shift += 8)
      text.push_back(static_cast<char>(length >> shift & 0xff));
    text.append(field);
  }
  std::string digest(kMacBytes, '\0');
  unsigned size = 0;
  // A null key would mean "the one before": an empty secret has a pointer too.
  const char* const key = secret.empty() ? "" : secret.data();
  CHECK(HMAC(EVP_sha256(), key, static_cast<int>(secret.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(),
             reinterpret_cast<unsigned char*>(digest.data()), &size) != nullptr);
  CHECK_EQ(size, kMacBytes);
  return digest;
}

bool equal_macs(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string encode_identity(const Identity& from, const std::optional<Handshake::Target>& target) {
  wire::Identity form;
  form.set_cluster(from.cluster);
  form.set_role(static_cast<wire::Role>(from.role));
  form.set_node_id(from.node_id);
  form.set_incarnation(from.incarnation.value);
  form.set_store_id(from.store_id);
  form.set_version(from.version);
  form.set_protocol_min(from.protocol_min);
  form.set_protocol_max(from.protocol_max);
  if (target) {
    form.set_expected_role(static_cast<wire::Role>(target->role));
    form.set_expected_node_id(target->node_id);
  }
  return form.SerializeAsString();
}

bool is_name(const std::string& text) {
  return !text.empty() && text.size() <= kMaxNameBytes && is_printable_utf8(text);
}

std::string name(Role role) {
  switch (role) {
    case Role::master:
      return "master";
    case Role::worker:
      return "worker";
    case Role::client:
      return "client";
  }
  return "node";
}

}  // namespace

Nonce random_nonce() {
  Nonce nonce;
  CHECK_EQ(RAND_bytes(reinterpret_cast<unsigned char*>(nonce.data()), static_cast<int>(nonce.size())), 1);
  return nonce;
}

Handshake::Handshake(bool dials, Identity own, std::string secret, std::optional<Target> target,
                     const Nonce& nonce)
    : dials_(dials),
      own_(std::move(own)),
      secret_(std::move(secret)),
      target_(std::move(target)),
      nonce_(nonce),
      own_identity_(encode_identity(own_, target_)) {}

Handshake Handshake::dialler(Identity own, std::string secret, Target target, const Nonce& nonce) {
  return {true, std::move(own), std::move(secret), std::move(target), nonce};
}
Handshake Handshake::acceptor(Identity own, std::string secret, const Nonce& nonce) {
  return {false, std::move(own), std::move(secret), std::nullopt, nonce};
}

std::optional<HandshakeFrame> Handshake::start() const {
  if (dials_) return std::nullopt;
  return HandshakeFrame{FrameType::challenge, std::string(view(nonce_))};
}

std::optional<HandshakeFrame> Handshake::on_frame(std::uint16_t type, std::string_view payload) {
  if (state_ != State::waiting) return std::nullopt;
  switch (static_cast<FrameType>(type)) {
    case FrameType::challenge:
      if (dials_ && !challenged_) return on_challenge(payload);
      break;
    case FrameType::proof:
      if (!dials_) return on_proof(payload);
      break;
    case FrameType::welcome:
      if (dials_ && challenged_) {
        on_welcome(payload);
        return std::nullopt;
      }
      break;
    case FrameType::reject:
      // Not authenticated, so it is only repeated, and only if it looks like a sentence.
      if (dials_) {
        const bool readable = payload.size() <= kMaxNameBytes * 2 && is_printable_utf8(payload);
        fail_with("the peer refused: " + (readable ? std::string(payload) : "no readable reason"));
        return std::nullopt;
      }
      break;
    default:
      break;
  }
  fail_with("not a handshake: unexpected frame of type " + std::to_string(type));
  return std::nullopt;
}

std::optional<HandshakeFrame> Handshake::on_challenge(std::string_view payload) {
  if (payload.size() != nonce_.size() || payload == view(nonce_)) {
    fail_with("not a handshake: malformed challenge");
    return std::nullopt;
  }
  std::ranges::copy(payload, challenge_.begin());
  challenged_ = true;
  std::string proof(view(nonce_));
  proof += mac(secret_, {kDiallerLabel, view(challenge_), view(nonce_), own_identity_});
  proof += own_identity_;
  return HandshakeFrame{FrameType::proof, std::move(proof)};
}

std::optional<HandshakeFrame> Handshake::on_proof(std::string_view payload) {
  if (payload.size() < nonce_.size() + kMacBytes) return reject("not a handshake: malformed proof");
  const auto theirs = payload.substr(0, nonce_.size());
  const auto proof = payload.substr(nonce_.size(), kMacBytes);
  const auto identity = payload.substr(nonce_.size() + kMacBytes);
  if (!equal_macs(proof, mac(secret_, {kDiallerLabel, view(nonce_), theirs, identity})))
    return reject("wrong cluster secret");
  if (auto wrong = examine(identity); !wrong.empty()) return reject(std::move(wrong));
  state_ = State::done;
  return HandshakeFrame{
      FrameType::welcome,
      mac(secret_, {kAcceptorLabel, view(nonce_), theirs, identity, own_identity_}) + own_identity_};
}

void Handshake::on_welcome(std::string_view payload) {
  const auto proof = payload.substr(0, kMacBytes);
  const auto identity = payload.substr(std::min(kMacBytes, payload.size()));
  if (!equal_macs(proof,
                  mac(secret_, {kAcceptorLabel, view(challenge_), view(nonce_), own_identity_, identity})))
    return fail_with("wrong cluster secret");
  if (auto wrong = examine(identity); !wrong.empty()) return fail_with(std::move(wrong));
  state_ = State::done;
}

std::string Handshake::examine(std::string_view identity) {
  wire::Identity form;
  if (!form.ParseFromArray(identity.data(), static_cast<int>(identity.size()))) return "malformed identity";
  if (form.cluster() != own_.cluster)
    return "wrong cluster: '" + own_.cluster + "' here, '" +
           (is_name(form.cluster()) ? form.cluster() : "?") + "' there";
  const auto low = std::max(own_.protocol_min, form.protocol_min());
  const auto high = std::min(own_.protocol_max, form.protocol_max());
  if (low > high)
    return "no common protocol version: " + std::to_string(own_.protocol_min) + ".." +
           std::to_string(own_.protocol_max) + " here, " + std::to_string(form.protocol_min()) + ".." +
           std::to_string(form.protocol_max()) + " there";
  if (form.role() < wire::ROLE_MASTER || form.role() > wire::ROLE_CLIENT || !is_name(form.node_id()))
    return "malformed identity: role or node id";
  if (!form.version().empty() && !is_name(form.version())) return "malformed identity: version";
  if (!own_.store_id.empty() && !form.store_id().empty() && own_.store_id != form.store_id())
    return "wrong store: the two ends belong to different databases (store_id)";
  const auto role = static_cast<Role>(form.role());
  // A client that knows only an address takes whoever answers there.
  const bool any_node = target_ && target_->node_id.empty();
  if (target_ && (target_->role != role || (!any_node && target_->node_id != form.node_id())))
    return "wrong node: expected " + name(target_->role) + " '" + target_->node_id + "', reached " +
           name(role) + " '" + form.node_id() + "'";
  if (role == own_.role && form.node_id() == own_.node_id)
    return "wrong node: both ends are " + name(role) + " '" + own_.node_id + "'";
  const bool meant = form.expected_role() == wire::ROLE_UNSPECIFIED ||
                     (form.expected_role() == static_cast<wire::Role>(own_.role) &&
                      (form.expected_node_id().empty() || form.expected_node_id() == own_.node_id));
  if (!dials_ && !meant) return "wrong node: this is " + name(own_.role) + " '" + own_.node_id + "'";
  peer_ = {form.cluster(),  role,           form.node_id(),      Incarnation{form.incarnation()},
           form.store_id(), form.version(), form.protocol_min(), form.protocol_max()};
  protocol_ = high;
  return {};
}

std::optional<HandshakeFrame> Handshake::reject(std::string why) {
  fail_with(why);
  return HandshakeFrame{FrameType::reject, std::move(why)};
}

void Handshake::fail_with(std::string why) {
  state_ = State::failed;
  error_ = std::move(why);
}

}  // namespace ringmaster
