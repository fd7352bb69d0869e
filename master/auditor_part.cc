// Auditor: one master's part of an audit, its workers asked.
#include <utility>

#include "master/auditor.h"

namespace ringmaster {

namespace {
constexpr Duration kHeldTimeout = std::chrono::seconds(5);
}  // namespace

struct Auditor::Part {
  AuditPartReply reply;
  std::size_t open = 1;
  ApiResponder respond;

  void note(AuditSuspicions suspicions) {
    for (AuditSuspicion& suspicion : suspicions) {
      if (reply.suspicions.size() == kMaxAuditSuspicions) return;
      reply.suspicions.push_back(std::move(suspicion));
    }
  }
  void done() {
    if (--open == 0) respond(ApiReply{std::move(reply)});
  }
};

void Auditor::part(const AuditPartRequest& request, ApiResponder respond) {
  auto part = std::make_shared<Part>();
  part->respond = std::move(respond);
  part->reply.incarnation = incarnation_;
  part->note(judge_rows(core_, self_, request.rows, hooks_.now()));
  if (!request.held) return part->done();

  hooks_.flush();  // what we believe a worker to hold is on its way to it, ahead of the question
  part->reply.shards = core_.shards().epochs();
  part->reply.not_answered = core_.cannot_be_asked();
  part->note(judge_unreached(core_, self_, hooks_.now()));
  for (SchedulerCore::HeldAsk& ask : core_.held_asks()) {
    ++part->open;
    part->reply.attempts += ask.believed.size();
    const LinkId link = ask.link;
    HeldRequest held{part->reply.shards, ask.believed};
    links_->call(link, std::move(held), kHeldTimeout,
                 guard([this, part, ask = std::move(ask)](Result<ApiReply> reply) {
                   if (reply) {
                     const auto& answer = std::get<HeldReply>(*reply);
                     part->reply.held += answer.held;
                     ++part->reply.workers;
                     part->note(judge_held(core_, self_, ask, answer));
                   } else if (reply.error().code == ErrorCode::invalid_argument) {
                     part->reply.too_old.push_back(ask.worker);
                   } else {
                     part->reply.not_answered.push_back(ask.worker + ": " + reply.error().message);
                   }
                   part->done();
                 }));
  }
  part->done();
}

}  // namespace ringmaster
