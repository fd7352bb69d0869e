#include "sdk/handler_loop.h"

#include <utility>

namespace ringmaster::sdk {

void HandlerLoop::post(std::shared_ptr<HandlerLoop> self, Callback fn) {
  const std::lock_guard lock(mutex_);
  if (loop_ == nullptr) return;
  loop_->post([self = std::move(self), fn = std::move(fn)]() mutable {
    if (self->loop_ != nullptr) fn();
  });
}

void HandlerLoop::close() {
  const std::lock_guard lock(mutex_);
  loop_ = nullptr;
}

}  // namespace ringmaster::sdk
