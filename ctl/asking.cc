#include "ctl/asking.h"

#include <cerrno>
#include <cstdint>
#include <deque>
#include <future>
#include <memory>
#include <utility>

#include <glog/logging.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace ringmaster {
namespace {

constexpr std::size_t kInFlight = 64;

// An answer on its way, from the client's thread to this one.
class Pending {
 public:
  Pending() : event_(::eventfd(0, EFD_CLOEXEC)) { PCHECK(event_ >= 0); }
  ~Pending() { ::close(event_); }
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;

  void answer(Result<ApiReply> answer) {
    promise_.set_value(std::move(answer));
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(event_, &one, sizeof one);
  }

  Result<ApiReply> take(const Interrupt& interrupt) {
    std::array<pollfd, 2> ready{{{event_, POLLIN, 0}, {interrupt.fd(), POLLIN, 0}}};
    while (ready[0].revents == 0 && interrupt.signal() == 0) ::poll(ready.data(), ready.size(), -1);
    if (ready[0].revents == 0) return fail(ErrorCode::cancelled, "interrupted");
    return promise_.get_future().get();
  }

 private:
  int event_;
  std::promise<Result<ApiReply>> promise_;
};

std::shared_ptr<Pending> send(Client& client, ApiRequest request, Duration timeout) {
  auto pending = std::make_shared<Pending>();
  client.call(std::move(request), timeout,
              [pending](Result<ApiReply> answer) { pending->answer(std::move(answer)); });
  return pending;
}

}  // namespace

Result<ApiReply> ask(Client& client, ApiRequest request, Duration timeout, const Interrupt& interrupt) {
  return send(client, std::move(request), timeout)->take(interrupt);
}

void get_each(Client& client, const std::vector<TaskId>& ids, Duration timeout, const Interrupt& interrupt,
              const std::function<bool(TaskId, Result<GetReply>)>& take) {
  std::deque<std::shared_ptr<Pending>> on_their_way;
  std::size_t sent = 0;
  for (const TaskId id : ids) {
    for (; sent < ids.size() && on_their_way.size() < kInFlight; ++sent)
      on_their_way.push_back(send(client, GetRequest{ids[sent], Duration{0}, false}, timeout));
    Result<ApiReply> answer = on_their_way.front()->take(interrupt);
    on_their_way.pop_front();
    Result<GetReply> reply = fail(ErrorCode::internal, "the master answered another question");
    if (!answer) reply = std::unexpected(std::move(answer.error()));
    if (answer && std::holds_alternative<GetReply>(*answer)) reply = std::get<GetReply>(std::move(*answer));
    if (!take(id, std::move(reply))) return;
  }
}

}  // namespace ringmaster
