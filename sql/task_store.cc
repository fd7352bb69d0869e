#include "sql/task_store.h"

namespace ringmaster {

Error another_cluster(const std::string& databases, const std::string& masters) {
  return {ErrorCode::invalid_argument,
          "the database belongs to cluster " + databases + ", this master to " + masters +
              ": give each cluster a database of its own, or mend the setting `cluster`",
          "cluster"};
}

}  // namespace ringmaster
