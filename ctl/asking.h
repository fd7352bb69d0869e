// Calls of a client that several are on their way of, or that Ctrl-C may cut short. One thread.
#pragma once

#include <functional>
#include <vector>

#include "client/client.h"
#include "ctl/interrupt.h"

namespace ringmaster {

// The answer; or `cancelled`, once the interrupt has come.
Result<ApiReply> ask(Client& client, ApiRequest request, Duration timeout, const Interrupt& interrupt);

// As ask(), and the reply is of this kind.
template <class Reply>
Result<Reply> ask_for(Client& client, ApiRequest request, Duration timeout, const Interrupt& interrupt) {
  auto answer = ask(client, std::move(request), timeout, interrupt);
  if (!answer) return std::unexpected(std::move(answer.error()));
  if (auto* reply = std::get_if<Reply>(&*answer)) return std::move(*reply);
  return fail(ErrorCode::internal, "the master answered another question");
}

// Asks for each task, some at a time, and takes the answers in that order, until `take` says false.
void get_each(Client& client, const std::vector<TaskId>& ids, Duration timeout, const Interrupt& interrupt,
              const std::function<bool(TaskId, Result<GetReply>)>& take);

}  // namespace ringmaster
