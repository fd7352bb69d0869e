// EachGather: puts together the answer of a submission whose tasks are answered one by one, from the answers
// of the parts that it was committed in. Pure; one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "base/api.h"

namespace ringmaster {

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

}  // namespace ringmaster
