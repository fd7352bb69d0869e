// MasterNode as ApiService: submissions.
#include <array>
#include <memory>
#include <utility>

#include "master/each_gather.h"
#include "master/master_node.h"

namespace ringmaster {

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
