// SecretStore: the secrets of this worker, one file each in a directory of the operator's. Tasks name them,
// and nothing but the attempt's own environment or request ever holds a value: no error and no log line does.
// Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ringmaster {

inline constexpr std::size_t kMaxSecretBytes = 64 * 1024;
inline constexpr std::size_t kMaxSecretName = 128;

// Letters, digits, `.`, `_` and `-`, the first no dot.
bool is_secret_name(std::string_view name);

class SecretStore {
 public:
  // Empty: this worker has none.
  explicit SecretStore(std::string directory) : directory_(std::move(directory)) {}

  // Whether the directory can be trusted: there, and changed by its owner only, who is the daemon's user or
  // root. Errors: invalid_argument, with what to do.
  Result<> check() const;

  // The content of <directory>/<name> without its last line break, read anew each time. Errors:
  // invalid_argument (no such secret, or a file that is not fit for one: a link, too long, empty, open to
  // others, of another user), unavailable.
  Result<std::string> read(std::string_view name) const;

 private:
  std::string directory_;
};

// Where `text` may have been cut off in the middle of a secret.
enum class Cut : std::uint8_t { none, begin, end };

// Replaces each occurrence of a secret in `text`, whole or as a line of its own, and the part of one that
// `text` begins or ends with if it was cut there. Lines and parts of less than four bytes are chance.
void redact(std::string& text, const std::vector<std::string>& secrets, Cut cut = Cut::none);

}  // namespace ringmaster
