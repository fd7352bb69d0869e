// Between the SDK's vocabulary and the project's. Pure.
#pragma once

#include "base/api.h"
#include "ringmaster/client.h"

namespace ringmaster::sdk {

Error to_public(const ringmaster::Error& error);
TaskState to_public(ringmaster::TaskState state);
TaskView to_public(const ringmaster::TaskView& view);
ringmaster::NewTask to_internal(NewTask task);

inline ringmaster::TaskId to_internal(TaskId id) {
  return ringmaster::TaskId{id.number()};
}
inline TaskId to_public(ringmaster::TaskId id) {
  return TaskId::from_number(id.value);
}

}  // namespace ringmaster::sdk
