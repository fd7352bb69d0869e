// BatchQueue: group commit for one kind of transition. What arrives while a batch is under way goes into the
// next one; an idle queue sends at once. Items stay here until their fate is a committed fact.
//
// Lives on the loop's thread. A batch that failed for a while (store down) is tried again; an unknown outcome
// is repeated as it stands, because these writes are idempotent (WriteFate::applied covers "by an equal
// earlier one").
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include <glog/logging.h>

#include "base/loop.h"
#include "base/result.h"
#include "base/transition.h"

namespace ringmaster {

template <class Item>
class BatchQueue {
 public:
  using Answer = std::move_only_function<void(Result<std::vector<WriteFate>>)>;
  using Write = std::function<void(std::vector<Item>, Answer)>;
  using Committed = std::function<void(const std::vector<Item>&, const std::vector<WriteFate>&)>;
  using Fenced = std::function<void(const Error&)>;

  // `fenced` is called when the store says that this incarnation may not write: the queue then stands still.
  BatchQueue(Loop& loop, std::size_t max_items, std::size_t max_in_flight, Write write, Committed committed,
             Fenced fenced)
      : max_items_(max_items),
        max_in_flight_(max_in_flight),
        write_(std::move(write)),
        committed_(std::move(committed)),
        fenced_(std::move(fenced)),
        retry_(loop) {}

  void push(std::vector<Item> items) {
    for (Item& item : items) waiting_.push_back(std::move(item));
    send();
  }
  // Nothing new is sent until resume(); what is under way lands.
  void pause() { paused_ = true; }
  void resume() {
    paused_ = false;
    send();
  }
  bool idle() const { return in_flight_ == 0; }
  bool empty() const { return in_flight_ == 0 && waiting_.empty(); }
  std::size_t waiting() const { return waiting_.size(); }
  template <class Predicate>
  void drop_if(Predicate predicate) {
    std::erase_if(waiting_, predicate);
  }

 private:
  void send() {
    while (!paused_ && !retry_.running() && in_flight_ < max_in_flight_ && !waiting_.empty()) {
      const std::size_t count = std::min(limit_, waiting_.size());
      auto batch = std::make_shared<std::vector<Item>>();
      batch->reserve(count);
      for (std::size_t i = 0; i < count; ++i) {
        batch->push_back(std::move(waiting_.front()));
        waiting_.pop_front();
      }
      ++in_flight_;
      write_(*batch, [this, alive = std::weak_ptr<int>(alive_), batch](Result<std::vector<WriteFate>> fates) {
        if (!alive.expired()) on_answer(*batch, std::move(fates));
      });
    }
  }

  void on_answer(std::vector<Item>& batch, Result<std::vector<WriteFate>> fates) {
    --in_flight_;
    if (fates) {
      limit_ = max_items_;
      committed_(batch, *fates);
    } else {
      on_error(batch, fates.error());
    }
    send();
  }

  void on_error(std::vector<Item>& batch, const Error& error) {
    if (error.code == ErrorCode::fenced) {
      paused_ = true;
      put_back(batch);
      return fenced_(error);
    }
    if (error.code == ErrorCode::internal) {
      // The store refused the statement. Smaller batches find the item at fault, and the others get through.
      LOG(ERROR) << "a batch of " << batch.size() << " was refused: " << error.message;
      limit_ = std::max<std::size_t>(1, batch.size() / 2);
    }
    put_back(batch);
    if (error.code != ErrorCode::unknown_outcome) {
      retry_.start(std::chrono::milliseconds(100), [this] { send(); });
    }
  }

  void put_back(std::vector<Item>& batch) {
    // A refused item alone goes to the end, so that it cannot block the rest.
    if (batch.size() == 1) return waiting_.push_back(std::move(batch.front()));
    for (auto it = batch.rbegin(); it != batch.rend(); ++it) waiting_.push_front(std::move(*it));
  }

  const std::size_t max_items_, max_in_flight_;
  Write write_;
  Committed committed_;
  Fenced fenced_;
  std::deque<Item> waiting_;
  std::size_t in_flight_ = 0;
  std::size_t limit_ = max_items_;
  bool paused_ = false;
  Timer retry_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace ringmaster
