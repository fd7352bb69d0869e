// The specs of every kind, which a worker reads from whatever a client once submitted: each is refused with
// the field at fault, or safe to hand to the kernel, to a server, to a timer.
//
// Input: a JSON text, given to each kind.
#include <algorithm>
#include <string>

#include "tests/fuzz/fuzz_input.h"
#include "tests/sim/manual_loop.h"
#include "worker/http_spec.h"
#include "worker/noop_runner.h"
#include "worker/process_spec.h"

namespace {

using namespace ringmaster;

void check_refusal(const Error& error) {
  fuzz_check(error.code == ErrorCode::invalid_argument && error.field.starts_with("spec"),
             "a refusal names the field");
}

void check_process(std::string_view text) {
  const auto spec = parse_process_spec(text);
  if (!spec) return check_refusal(spec.error());
  fuzz_check(!spec->argv.empty() && !spec->argv.front().empty(), "there is a program");
  const auto no_nul = [](const std::string& value) { return !value.contains('\0'); };
  fuzz_check(std::ranges::all_of(spec->argv, no_nul) && no_nul(spec->cwd), "the kernel takes every argument");
  for (const auto& [name, value] : spec->env) {
    fuzz_check(!name.empty() && !name.contains('=') && no_nul(name) && no_nul(value), "and every variable");
  }
  fuzz_check(spec->cwd.empty() || spec->cwd.starts_with('/'), "the directory is absolute");
  fuzz_check(spec->kill_grace >= Duration::zero() && spec->kill_grace <= kMaxKillGrace,
             "the grace is bounded");
}

void check_http(std::string_view text) {
  const auto spec = parse_http_spec(text);
  if (!spec) return check_refusal(spec.error());
  const auto one_line = [](std::string_view value) {
    return value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
  };
  fuzz_check(spec->target.starts_with('/') && one_line(spec->target), "the target stays in its line");
  fuzz_check(spec->target.find(' ') == std::string::npos, "and is one word");
  fuzz_check(!spec->server.host.empty() && one_line(spec->server.host) && spec->server.port != 0, "a server");
  for (const auto& [name, value] : spec->headers) {
    fuzz_check(one_line(name) && one_line(value), "a header stays in its line");
  }
  fuzz_check(!spec->expected_status.empty(), "some status is a success");
}

// Reports what became of the one attempt.
class Handler final : public RunnerHandler {
 public:
  void on_attempt_started(Token, WallTime) override { ++started; }
  void on_attempt_finished(Token, AttemptResult result) override {
    ++finished;
    outcome = result.outcome;
  }
  int started = 0, finished = 0;
  Outcome outcome = Outcome::lost;
};

void check_noop(std::string_view text) {
  ManualLoop loop;
  loop.advance(std::chrono::days(400));  // as a machine that has been up for a while
  Handler handler;
  NoopRunner runner(loop);
  runner.set_handler(handler);
  const Token token{make_task_id(1, 2), 3, 4};
  Dispatch attempt{
      .token = token, .ns = "default", .group = "default", .kind = "noop", .spec = std::string(text)};
  runner.start(std::move(attempt));
  loop.run_ready();
  if (handler.finished == 0) {
    runner.kill(token);
    loop.run_ready();
    fuzz_check(handler.outcome == Outcome::cancelled, "what sleeps can be stopped");
  }
  fuzz_check(handler.finished == 1 && handler.started <= 1, "an attempt ends once");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_process(text);
  check_http(text);
  check_noop(text);
  return 0;
}
