// MasterNode as ApiService: what an attempt has written, which its worker has.
#include <algorithm>
#include <string>

#include "master/master_node.h"

namespace ringmaster {

namespace {
struct Writer {
  Attempt attempt = 0;
  std::string worker;
  bool ended = false;
};

// Who wrote the output of this attempt (0: of the last one that was sent to a worker).
Result<Writer> writer_of(const TaskView& view, Attempt wanted) {
  const TaskRow& row = view.row;
  const bool sent = !row.worker.empty();
  if (wanted == 0) wanted = sent || view.attempts.empty() ? row.attempt : view.attempts.back().attempt;
  if (wanted == row.attempt && sent) return Writer{wanted, row.worker, is_terminal(row.state)};
  const auto past = std::ranges::find(view.attempts, wanted, &AttemptRecord::attempt);
  if (past != view.attempts.end() && !past->worker.empty()) return Writer{wanted, past->worker, true};
  const std::string name = "attempt " + std::to_string(wanted);
  if (wanted == row.attempt)
    return is_terminal(row.state)
               ? fail(ErrorCode::not_found, name + " never started: it has written nothing", "attempt")
               : fail(ErrorCode::unavailable, name + " has not started: it has written nothing yet");
  return fail(ErrorCode::not_found, "there is no " + name, "attempt");
}
}  // namespace

void MasterNode::log(LogRequest request, ApiResponder respond) {
  if (request.limit < 1 || request.limit > kMaxLogBytes)
    return respond(fail(ErrorCode::invalid_argument, "limit must be between 1 and 1048576 bytes", "limit"));
  const LinkId owner = request.forwarded ? 0 : owner_link(request.id.shard());
  if (owner == 0) return log_here(request, std::move(respond));
  LogRequest forwarded = request;
  forwarded.forwarded = true;
  links_->call(owner, forwarded, kForwardSlack,
               guard([this, request, respond = std::move(respond)](Result<ApiReply> reply) mutable {
                 const bool lost = !reply && reply.error().code != ErrorCode::not_found;
                 lost ? log_here(request, std::move(respond)) : respond(std::move(reply));
               }));
}

void MasterNode::log_here(LogRequest request, ApiResponder respond) {
  store_.get(
      request.id, guard([this, request, respond = std::move(respond)](Result<TaskView> view) mutable {
        if (!view) return respond(std::unexpected(view.error()));
        show_live(*view);
        auto writer = writer_of(*view, request.attempt);
        if (!writer) return respond(std::unexpected(writer.error()));
        const LinkId link = core_.link_of(writer->worker);
        if (link == 0)
          return respond(fail(ErrorCode::unavailable, "the output lies on worker " + writer->worker +
                                                          ", which is out of reach; the end of it is in "
                                                          "the task's result"));
        request.attempt = writer->attempt;
        const std::uint32_t limit = request.limit;
        links_->call(link, request, kForwardSlack,
                     [limit, writer = std::move(*writer),
                      respond = std::move(respond)](Result<ApiReply> reply) mutable {
                       if (!reply) return respond(std::move(reply));
                       auto& log = std::get<LogReply>(*reply);
                       log.worker = std::move(writer.worker);
                       log.over = writer.ended && log.bytes.size() < limit;
                       respond(std::move(reply));
                     });
      }));
}

}  // namespace ringmaster
