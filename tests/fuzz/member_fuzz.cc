// What stands in ZooKeeper, where anybody may write: a member's JSON is refused with a reason, or reads back
// as it was written.
//
// Input: a JSON text, read as a master's and as a worker's node.
#include <string>

#include "registry/member_id.h"
#include "registry/member_json.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

using namespace ringmaster;

template <class Member>
void check(std::string_view text, Result<Member> (*parse)(std::string_view)) {
  const auto member = parse(text);
  if (!member) {
    fuzz_check(member.error().code == ErrorCode::invalid_argument && !member.error().message.empty(),
               "a refusal says why");
    return;
  }
  const auto again = parse(to_json(*member));
  fuzz_check(again && *again == *member, "a member reads back");
  (void)validate_member_id(member->id);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check<MasterMember>(text, &parse_master_member);
  check<WorkerMember>(text, &parse_worker_member);
  return 0;
}
