#include "ringmaster/client.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "base/secret_file.h"
#include "client/client.h"
#include "sdk/convert.h"
#include "sdk/library_log.h"

namespace ringmaster::sdk {
namespace {

using std::chrono::steady_clock;

constexpr Duration kLongestWait = std::chrono::seconds(50);  // of one request; masters allow 60
constexpr Duration kLongestTimeout = std::chrono::days(365);
constexpr Duration kPause = std::chrono::milliseconds(100);  // before a repeat

template <class T>
std::unexpected<Error> refused(const ringmaster::Result<T>& result) {
  return std::unexpected(to_public(result.error()));
}

// A master that starts, stops or has no database for the moment, or none at all.
bool is_unavailable(const ringmaster::Error& error) {
  return error.code == ringmaster::ErrorCode::unavailable || error.code == ringmaster::ErrorCode::fenced;
}

// How much of a wait the next request may take; the last one takes nothing and asks once more.
Duration next_wait(steady_clock::time_point until) {
  const auto left = std::chrono::duration_cast<Duration>(until - steady_clock::now());
  return std::clamp(left, Duration::zero(), kLongestWait);
}
// False: the time is up.
bool pause_before(steady_clock::time_point until) {
  if (steady_clock::now() + kPause >= until) return false;
  std::this_thread::sleep_for(kPause);
  return true;
}
steady_clock::time_point end_of(Duration timeout) {
  return steady_clock::now() + std::clamp(timeout, Duration::zero(), kLongestTimeout);
}

}  // namespace

class Client::Impl {
 public:
  Impl(std::unique_ptr<ringmaster::Client> client, Duration timeout)
      : client_(std::move(client)), timeout_(timeout) {}

  // What is `unavailable` has not happened. What is unknown may have, but with a key in each task a repeat
  // cannot double anything.
  Result<std::vector<TaskId>> submit(SubmitRequest request) {
    const bool repeatable = std::ranges::all_of(
        request.tasks, [](const ringmaster::NewTask& task) { return !task.idempotency_key.empty(); });
    const auto until = end_of(timeout_);
    while (true) {
      const auto reply = client_->submit(request);
      if (reply) {
        std::vector<TaskId> ids;
        for (const ringmaster::TaskId id : reply->ids) ids.push_back(to_public(id));
        return ids;
      }
      const bool unknown = reply.error().code == ringmaster::ErrorCode::unknown_outcome;
      if (!is_unavailable(reply.error()) && !(unknown && repeatable)) return refused(reply);
      if (!pause_before(until)) return refused(reply);
    }
  }

  ringmaster::Client& client() { return *client_; }

 private:
  std::unique_ptr<ringmaster::Client> client_;
  Duration timeout_;
};

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Result<Client> Client::connect(ClientOptions options) {
  if (options.addresses.empty()) {
    return std::unexpected(
        Error{ErrorCode::invalid_argument, "addresses: give host:port of at least one master", "addresses"});
  }
  ringmaster::ClientOptions made;
  made.addresses = std::move(options.addresses);
  made.cluster = std::move(options.cluster);
  made.timeout = options.timeout;
  if (!options.secret_file.empty()) {
    auto secret = read_secret_file(options.secret_file);
    if (!secret) return refused(secret);
    made.secret = *std::move(secret);
  }
  ensure_library_log();
  auto connected = ringmaster::Client::connect(std::move(made));
  if (!connected) return refused(connected);
  return Client(std::make_unique<Impl>(*std::move(connected), options.timeout));
}

Result<TaskId> Client::submit(NewTask task) {
  SubmitRequest request;
  request.tasks.push_back(to_internal(std::move(task)));
  auto ids = impl_->submit(std::move(request));
  if (!ids) return std::unexpected(std::move(ids.error()));
  return ids->at(0);
}

Result<std::vector<TaskId>> Client::submit_batch(std::vector<NewTask> tasks) {
  SubmitRequest request;
  for (NewTask& task : tasks) request.tasks.push_back(to_internal(std::move(task)));
  return impl_->submit(std::move(request));
}

Result<TaskView> Client::get(TaskId id) {
  return wait(id, Duration::zero());
}

Result<TaskView> Client::wait(TaskId id, Duration timeout) {
  const auto until = end_of(timeout);
  while (true) {
    GetRequest request{to_internal(id)};
    request.wait = next_wait(until);
    const auto reply = impl_->client().get(request);
    if (!reply && is_unavailable(reply.error()) && pause_before(until)) continue;
    if (!reply) return refused(reply);
    if (is_terminal(reply->view.row.state) || request.wait == Duration::zero()) return to_public(reply->view);
  }
}

Result<std::vector<TaskState>> Client::wait_all(std::span<const TaskId> ids, Duration timeout) {
  const auto until = end_of(timeout);
  WaitRequest request;
  for (const TaskId id : ids) request.ids.push_back(to_internal(id));
  if (request.ids.empty()) return std::vector<TaskState>{};
  while (true) {
    request.wait = next_wait(until);
    const auto reply = impl_->client().wait(request);
    if (!reply && is_unavailable(reply.error()) && pause_before(until)) continue;
    if (!reply) return refused(reply);
    std::vector<TaskState> states;
    for (const WaitReply::Item& item : reply->items) {
      if (!item.found)
        return std::unexpected(Error{ErrorCode::not_found, "no such task: " + to_string(item.id), "ids"});
      states.push_back(to_public(item.state));
    }
    if (std::ranges::all_of(states, is_terminal) || request.wait == Duration::zero()) return states;
  }
}

Result<TaskState> Client::cancel(TaskId id) {
  const auto reply = impl_->client().control({to_internal(id), ControlAction::cancel});
  if (!reply) return refused(reply);
  return to_public(reply->state);
}

Result<TaskState> Client::release(TaskId id) {
  const auto reply = impl_->client().control({to_internal(id), ControlAction::release});
  if (!reply) return refused(reply);
  return to_public(reply->state);
}

}  // namespace ringmaster::sdk
