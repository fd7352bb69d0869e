// Columns of `task` and `task_history` and what they mean in C++: how batches become array parameters, and
// rows become values again. Pure. Any thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "base/transition.h"
#include "sql/pg_values.h"

namespace ringmaster {

// One array parameter: a column of a batch of `Item`s. `rare`: hardly ever anything but its default, which is
// null (attempt: 1).
template <class Item>
struct PgColumn {
  std::string_view name;
  PgType type;
  bool rare;
  void (*put)(PgArray& array, const Item& item);
};

// All that one call of control() wants of one task: a statement changes a row once.
struct TaskControl {
  TaskId id;
  std::optional<WallTime> release_at, cancel_at;
  Duration ageing_step{};
};
std::vector<TaskControl> merged(const std::vector<Control>& items);  // by id

std::span<const PgColumn<TaskRow>> accept_columns();
std::span<const PgColumn<Completion>> complete_columns();
std::span<const PgColumn<Retry>> retry_columns();
std::span<const PgColumn<RunningMark>> mark_columns();
std::span<const PgColumn<TaskControl>> control_columns();
std::span<const PgColumn<LateResult>> late_columns();
std::string_view array_type(PgType element);  // `int8[]`

// Whether every rare column of this item holds its default.
bool is_plain(const TaskRow& row);
bool is_plain(const Completion& item);

template <class Item>
void put_columns(PgParams& params, std::span<const PgColumn<Item>> columns, const std::vector<Item>& items,
                 bool plain) {
  for (const auto& column : columns) {
    if (plain && column.rare) continue;
    PgArray array(column.type);
    for (const Item& item : items) column.put(array, item);
    params.array(std::move(array));
  }
}

// Select lists. A task's view has the columns of its row first.
extern const std::string_view kRowColumns;
extern const std::string_view kTaskViewColumns;     // from task: nulls where there is no end yet
extern const std::string_view kHistoryViewColumns;  // from task_history
extern const std::string_view kTaskBriefColumns;    // the same two without what may be large
extern const std::string_view kHistoryBriefColumns;
extern const std::string_view kLateViewColumns;  // from late_result, columns of the row included
inline constexpr int kStateColumn = 7;           // in rows and views; null: a late result

TaskRow read_row(const PgRows& rows, int row);
// Of a late result: `row` has its token and worker, `finished_at` is when it was received.
Result<TaskView> read_view(const PgRows& rows, int row);

}  // namespace ringmaster
