#include "worker/secret_store.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

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

void replace_all(std::string& text, std::string_view what) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + kRedacted.size()))
    text.replace(at, what.size(), kRedacted);
}

}  // namespace

bool is_secret_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= kMaxSecretName && !name.starts_with('.') &&
         std::ranges::all_of(name, allowed);
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

void redact(std::string& text, const std::vector<std::string>& secrets, bool cut) {
  auto longest_first = secrets;
  std::ranges::sort(longest_first, std::ranges::greater(), &std::string::size);
  for (const auto& secret : longest_first) {
    if (!secret.empty()) replace_all(text, secret);
  }
  for (const auto& secret : longest_first) {
    for (std::size_t at = 1; cut && at + kLeastRest <= secret.size(); ++at) {
      const auto rest = std::string_view(secret).substr(at);
      if (!text.starts_with(rest)) continue;
      text.replace(0, rest.size(), kRedacted);
      return;
    }
  }
}

}  // namespace ringmaster
