// PgTarget: where the database is and how sessions there behave: the user's conninfo completed by what the
// store relies on. Made once, before the loop runs: names are resolved then, because libpq would block in
// DNS. Immutable.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace ringmaster {

struct PgTarget {
  std::vector<std::string> keywords, values;  // for PQconnectStartParams
  Duration connect_deadline = std::chrono::seconds(5);
  Duration statement_deadline = std::chrono::seconds(15);

  // How many hosts it tries, one after the other.
  std::size_t hosts() const;
  // The values, so that the hosts are tried from this one on, and those before it last. One that answers
  // nothing uses a whole connect_deadline up: who tries again begins with another one.
  std::vector<std::string> values_from(std::size_t host) const;

  // Errors: invalid_argument (conninfo), unavailable (a host has no address). Never says a password.
  static Result<PgTarget> make(const std::string& conninfo, Duration statement_deadline);
};

}  // namespace ringmaster
