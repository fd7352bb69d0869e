#include "worker/secret_store.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/name.h"

namespace ringmaster {
namespace {

constexpr std::string_view kRedacted = "[secret]";
constexpr std::size_t kLeastRest = 4;  // of a secret that was cut off: less is chance

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }

 private:
  int number_;
};

std::unexpected<Error> refuse(std::string_view name, std::string_view why) {
  return fail(ErrorCode::invalid_argument, "secret " + std::string(name) + ": " + std::string(why));
}

bool is_own(const struct stat& status) {
  return status.st_uid == ::geteuid() || status.st_uid == 0;
}

// What is wrong with a file for a secret; empty: nothing.
std::string_view fault_of(const struct stat& status) {
  if (!S_ISREG(status.st_mode)) return "not a regular file";
  if (!is_own(status)) return "its file belongs neither to the worker's user nor to root";
  if ((status.st_mode & (S_IWGRP | S_IRWXO)) != 0)
    return "others may read or change its file; run chmod 600 on it";
  if (status.st_size > static_cast<off_t>(kMaxSecretBytes)) return "longer than 64 KiB";
  return {};
}

// One byte more than allowed, so that a file that is too long shows.
bool read_all(int file, std::string& content) {
  content.resize(kMaxSecretBytes + 1);
  std::size_t size = 0;
  while (size < content.size()) {
    const ssize_t count = ::read(file, content.data() + size, content.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
  }
  content.resize(size);
  return true;
}

using Spans = std::vector<std::pair<std::size_t, std::size_t>>;  // begin and end of each

// Each secret, and each line of one that has several: programs print line by line.
std::vector<std::string_view> values_of(const std::vector<std::string>& secrets) {
  std::vector<std::string_view> values;
  for (std::string_view secret : secrets) {
    if (!secret.empty()) values.push_back(secret);
    if (!secret.contains('\n')) continue;
    while (!secret.empty()) {
      auto line = secret.substr(0, secret.find('\n'));
      secret.remove_prefix(std::min(secret.size(), line.size() + 1));
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.size() >= kLeastRest) values.push_back(line);
    }
  }
  return values;
}

void find_whole(std::string_view text, std::string_view value, Spans& spans) {
  for (auto at = text.find(value); at != std::string_view::npos; at = text.find(value, at + 1))
    spans.emplace_back(at, at + value.size());
}

// The longest part of it that a cut has left.
void find_rest(std::string_view text, std::string_view value, Cut cut, Spans& spans) {
  for (auto size = std::min(value.size() - 1, text.size()); size >= kLeastRest; --size) {
    const bool begins = cut == Cut::begin && text.starts_with(value.substr(value.size() - size));
    const bool ends = cut == Cut::end && text.ends_with(value.substr(0, size));
    if (!begins && !ends) continue;
    const auto at = begins ? 0 : text.size() - size;
    spans.emplace_back(at, at + size);
    return;
  }
}

}  // namespace

bool is_secret_name(std::string_view name) {
  return is_name(name, kMaxSecretName) && !name.starts_with('.');
}

Result<> SecretStore::check() const {
  if (directory_.empty()) return {};
  const auto bad = [&](const std::string& why) {
    return fail(ErrorCode::invalid_argument, "secrets_dir " + directory_ + ": " + why, "secrets_dir");
  };
  struct stat status{};
  if (::stat(directory_.c_str(), &status) != 0) return bad(std::strerror(errno));
  if (!S_ISDIR(status.st_mode)) return bad("not a directory");
  if (!is_own(status)) return bad("must belong to the worker's user or to root");
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) return bad("others may change it; run chmod 700 on it");
  return {};
}

Result<std::string> SecretStore::read(std::string_view name) const {
  if (directory_.empty()) return refuse(name, "this worker has none (secrets_dir)");
  if (!is_secret_name(name)) return refuse(name, "a name is 1 to 128 letters, digits, '.', '_' and '-'");
  if (auto trusted = check(); !trusted) return std::unexpected(trusted.error());
  // What was opened is judged, not what the name stands for a moment later. O_NONBLOCK: no waiting at a FIFO.
  const auto path = directory_ + "/" + std::string(name);
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW));
  if (file.get() < 0 && errno == ENOENT) return refuse(name, "this worker has no such secret");
  if (file.get() < 0 && errno == ELOOP) return refuse(name, "a link, not a regular file");
  struct stat status{};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0)
    return fail(ErrorCode::unavailable, "secret " + std::string(name) + ": " + std::strerror(errno));
  if (const auto fault = fault_of(status); !fault.empty()) return refuse(name, fault);
  std::string value;
  if (!read_all(file.get(), value))
    return fail(ErrorCode::unavailable, "secret " + std::string(name) + ": " + std::strerror(errno));
  if (value.size() > kMaxSecretBytes) return refuse(name, "longer than 64 KiB");
  if (value.ends_with('\n')) value.pop_back();
  if (value.ends_with('\r')) value.pop_back();
  if (value.empty()) return refuse(name, "empty");
  return value;
}

// All are looked for before any is replaced: they may overlap, and hold each other.
void redact(std::string& text, const std::vector<std::string>& secrets, Cut cut) {
  Spans spans;
  for (const auto value : values_of(secrets)) {
    find_whole(text, value, spans);
    if (cut != Cut::none) find_rest(text, value, cut, spans);
  }
  if (spans.empty()) return;
  std::ranges::sort(spans);
  std::string clean;
  std::size_t kept = 0;  // up to here `text` has been dealt with
  for (const auto& [begin, end] : spans) {
    if (begin >= kept) clean.append(text, kept, begin - kept).append(kRedacted);
    kept = std::max(kept, end);
  }
  text = std::move(clean.append(text, kept));
}

}  // namespace ringmaster
