// Submissions over HTTP: one task, an array that is accepted as a whole, or a batch with an outcome for each
// item. Pure.
#pragma once

#include <expected>
#include <string_view>

#include "master/http_api.h"

namespace ringmaster {

// POST /v1/tasks: an object, or an array of 1 to 10,000. `key` is the header's: that of a single task; each
// of an array gets `key/<position>`.
std::expected<HttpCall, HttpProblem> read_submission(std::string_view body, std::string_view key);
HttpReply created(const SubmitReply& answer, bool single);

// POST /v1/tasks:batch: an array; an item that cannot be read keeps none of the others back.
std::expected<HttpCall, HttpProblem> read_batch(std::string_view body, std::string_view key);
HttpReply outcomes(const SubmitReply& answer, const HttpCall& call);

}  // namespace ringmaster
