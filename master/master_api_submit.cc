// MasterNode as ApiService: submissions.
#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "master/master_node.h"

namespace ringmaster {

namespace {

// Puts the answers of a submission's parts together again.
class EachGather {
 public:
  EachGather(std::size_t tasks, ApiResponder respond) : respond_(std::move(respond)) {
    reply_.ids.resize(tasks);
  }

  void refuse(std::size_t index, Error error) { reply_.refused.push_back({index, std::move(error)}); }
  void open_part() { ++open_; }

  // `places`: where the part's tasks stood in the whole.
  void part_done(const std::vector<std::size_t>& places, const Result<ApiReply>& answer) {
    if (answer) {
      const auto& part = std::get<SubmitReply>(*answer);
      for (std::size_t i = 0; i < places.size(); ++i) reply_.ids[places[i]] = part.ids[i];
      for (const auto& [index, error] : part.refused) refuse(places[index], error);
      committed_ = true;
    } else {
      for (const std::size_t place : places) refuse(place, answer.error());
      // What may have happened outweighs what has not.
      if (!failed_ || answer.error().code == ErrorCode::unknown_outcome) failed_ = answer.error();
    }
    close_part();
  }
  // Of the parts that were asked none is committed: that is the answer to all of it.
  void close_part() {
    if (--open_ > 0) return;
    if (failed_ && !committed_) return respond_(std::unexpected(*failed_));
    std::ranges::sort(reply_.refused, {}, &SubmitReply::Refusal::index);
    respond_(ApiReply{std::move(reply_)});
  }

 private:
  SubmitReply reply_;
  std::size_t open_ = 1;
  bool committed_ = false;
  std::optional<Error> failed_;
  ApiResponder respond_;
};

}  // namespace

void MasterNode::submit(SubmitRequest request, ApiResponder respond) {
  if (auto valid = validate(request); !valid) return respond(std::unexpected(valid.error()));
  if (request.each) return submit_each(std::move(request.tasks), std::move(respond));
  accepts_.submit(std::move(request), std::move(respond));
}

// Tasks with keys and tasks without are committed by different statements.
void MasterNode::submit_each(std::vector<NewTask> tasks, ApiResponder respond) {
  struct Part {
    SubmitRequest request{.tasks = {}, .each = true};
    std::vector<std::size_t> places;
  };
  std::array<Part, 2> parts;
  auto gather = std::make_shared<EachGather>(tasks.size(), std::move(respond));
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (auto valid = validate(tasks[i]); !valid) {
      gather->refuse(i, valid.error());
      continue;
    }
    Part& part = parts[tasks[i].idempotency_key.empty() ? 0 : 1];
    part.request.tasks.push_back(std::move(tasks[i]));
    part.places.push_back(i);
  }
  for (Part& part : parts) {
    if (part.places.empty()) continue;
    gather->open_part();
    accepts_.submit(std::move(part.request),
                    [gather, places = std::move(part.places)](const Result<ApiReply>& answer) {
                      gather->part_done(places, answer);
                    });
  }
  gather->close_part();
}

}  // namespace ringmaster
