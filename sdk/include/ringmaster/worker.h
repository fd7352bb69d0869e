// Worker: a member of a Ringmaster cluster that runs tasks by handlers of this program, each for one kind.
//
// A handler takes an Attempt& and, if typed, the payload; it is blocking, and runs on a thread of the
// worker's pool, or it returns a Coroutine, and runs on the worker's loop, where it must never block.
// Returning is success; a typed return value becomes the task's output. Throwing, or returning a Failure, is
// a failed attempt. One handler may run several attempts at the same time.
//
// Guarantees: a result is in the spool (data_dir) before a master hears of it, and is told until one has
// recorded it, over restarts of this program. When the process dies its attempts die, and masters notice
// within a second; the tasks go on as their on_worker_lost says. A handler that is still at work in a process
// that masters took for dead cannot be stopped from outside: its result is refused, and what it writes is to
// be refused by the fence; so `on_worker_lost: rerun_after_lease` is not possible here and such tasks fail
// for good.
//
// Threads: one for the loop, up to `threads` for blocking handlers, some for disk and registry. All members
// are safe from any thread but handle(), which goes before start(). Lifetime: construct → handle() → start()
// → stop() → destroy. What handlers refer to must live until then. stop() waits for the handlers: never call
// stop(), wait() or the destructor inside one (request_stop() is fine).
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "ringmaster/attempt.h"
#include "ringmaster/coroutine.h"
#include "ringmaster/export.h"
#include "ringmaster/result.h"
#include "ringmaster/task.h"

namespace ringmaster::sdk {

// The names are those of the daemon's settings (docs/configuration.md).
struct WorkerOptions {
  std::string node_id = {};   // unique in its cluster, the same after each restart
  std::string data_dir = {};  // for results that no master has recorded yet; of one worker only; kept
  std::vector<std::string> groups = {};  // whose tasks it runs; all members must know the same kinds
  std::string cluster = "default";
  std::string zookeeper = "127.0.0.1:2181";
  std::string listen = "127.0.0.1:0";  // where masters reach it; other than loopback needs a secret
  std::string advertise = {};          // what they dial, if not the address it listens on
  std::string secret_file = {};        // with the cluster's secret, mode 600; empty: none
  std::uint32_t slots = 0;             // attempts at the same time; 0: one for each core
  std::uint32_t threads = 0;           // for blocking handlers; 0: as many as slots, at most 256
  std::uint32_t prefetch = 2;          // attempts granted to masters for each slot
  std::uint32_t weight = 1;            // its share of the hash ring
  Duration session_timeout = std::chrono::seconds(10);  // how long ZooKeeper keeps a silent worker
  Duration start_timeout = std::chrono::seconds(30);    // of start()
  Duration drain_timeout = std::chrono::seconds(30);    // at a stop, before handlers are asked to stop
  std::string log_level = "warning";  // debug, info, warning, error: to stderr, unless glog is set up already
};

using BlockingHandler = std::move_only_function<HandlerResult<>(Attempt&) const>;
using CoroutineHandler = std::move_only_function<Coroutine<HandlerResult<>>(Attempt&) const>;

namespace detail {

// A typed result. Too long for an output: a permanent failure that says so.
RINGMASTER_SDK HandlerResult<> store_result(Attempt& attempt, std::string encoded);
// Of the exception in flight: for handlers, and for payloads that cannot be read (always permanent).
RINGMASTER_SDK Failure failure_in_flight();
RINGMASTER_SDK Failure unreadable_payload();

template <class T>
struct IsCoroutine : std::false_type {};
template <class T>
struct IsCoroutine<Coroutine<T>> : std::true_type {};
template <class T>
struct IsHandlerResult : std::false_type {};
template <class T>
struct IsHandlerResult<HandlerResult<T>> : std::true_type {};

template <class R>
HandlerResult<> finish(Attempt& attempt, R&& returned) {
  using Plain = std::remove_cvref_t<R>;
  if constexpr (IsHandlerResult<Plain>::value) {
    if (!returned) return std::unexpected(std::move(returned.error()));
    if constexpr (!std::is_void_v<typename Plain::value_type>)
      return store_result(attempt, Codec<typename Plain::value_type>::encode(*returned));
    return {};
  } else {
    return store_result(attempt, Codec<Plain>::encode(returned));
  }
}

template <class In>
HandlerResult<In> read_payload(const Attempt& attempt) {
  try {
    return Codec<In>::decode(attempt.spec());
  } catch (...) {
    return std::unexpected(unreadable_payload());
  }
}

// Calls a handler with what it takes and makes its return value a HandlerResult.
template <class F, class... In>
HandlerResult<> run(const F& handler, Attempt& attempt, In... in) {
  if constexpr (std::is_void_v<std::invoke_result_t<const F&, Attempt&, In...>>) {
    handler(attempt, std::move(in)...);
    return {};
  } else {
    return finish(attempt, handler(attempt, std::move(in)...));
  }
}
template <class F, class... In>
Coroutine<HandlerResult<>> run_coroutine(const F& handler, Attempt& attempt, In... in) {
  using Returned = std::invoke_result_t<const F&, Attempt&, In...>;
  if constexpr (std::is_void_v<typename Returned::value_type>) {
    co_await handler(attempt, std::move(in)...);
    co_return HandlerResult<>{};
  } else {
    auto returned = co_await handler(attempt, std::move(in)...);
    co_return finish(attempt, std::move(returned));
  }
}
template <class In, class F>
Coroutine<HandlerResult<>> run_typed_coroutine(const F& handler, Attempt& attempt) {
  auto payload = read_payload<In>(attempt);
  if (!payload) co_return std::unexpected(std::move(payload.error()));
  co_return co_await run_coroutine(handler, attempt, std::move(*payload));
}

}  // namespace detail

class RINGMASTER_SDK Worker {
 public:
  explicit Worker(WorkerOptions options);
  ~Worker();  // stop(), if nobody has
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Before start(). One handler for each kind; start() refuses a bad name, or one given twice. It is called
  // as const, by several attempts at the same time.
  template <class F>
    requires std::invocable<const F&, Attempt&>
  void handle(std::string kind, F handler) {
    if constexpr (detail::IsCoroutine<std::invoke_result_t<const F&, Attempt&>>::value) {
      add_coroutine(std::move(kind), [handler = std::move(handler)](Attempt& attempt) {
        return detail::run_coroutine(handler, attempt);
      });
    } else {
      add_blocking(std::move(kind), [handler = std::move(handler)](Attempt& attempt) {
        return detail::run(handler, attempt);
      });
    }
  }
  // Typed: handle<Order>("ship", [](Attempt& attempt, Order order) { … }).
  template <Payload In, class F>
    requires std::invocable<const F&, Attempt&, In>
  void handle(std::string kind, F handler) {
    if constexpr (detail::IsCoroutine<std::invoke_result_t<const F&, Attempt&, In>>::value) {
      add_coroutine(std::move(kind), [handler = std::move(handler)](Attempt& attempt) {
        return detail::run_typed_coroutine<In>(handler, attempt);
      });
    } else {
      add_blocking(std::move(kind), [handler = std::move(handler)](Attempt& attempt) -> HandlerResult<> {
        auto payload = detail::read_payload<In>(attempt);
        if (!payload) return std::unexpected(std::move(payload.error()));
        return detail::run(handler, attempt, std::move(*payload));
      });
    }
  }

  // Returns once the worker is registered and takes work. Errors: invalid_argument with `field`, unavailable
  // (the data_dir is in use, the address is taken, it was not registered within start_timeout),
  // already_exists (it was started before), cancelled (it was stopped meanwhile).
  Result<> start();
  // The address that masters dial; empty before start().
  std::string address() const;

  // Begins an orderly stop and returns: no new attempts; queued ones go back; running ones have
  // drain_timeout, are asked to stop then, and are waited for; every result is delivered.
  void request_stop();
  // Asks all handlers to stop now: a second Ctrl-C.
  void hasten();
  // Until it has stopped, for whatever reason. Errors: deadline_exceeded (results are left in data_dir, for
  // the next worker there), unavailable (the registry refused it for good).
  Result<> wait();
  Result<> stop() {
    request_stop();
    return wait();
  }
  // start(), then serves until SIGTERM or SIGINT: the first one stops it, the second one hastens that. Call
  // it before the program starts other threads, or block both signals in them.
  Result<> run();

 private:
  class Impl;
  void add_blocking(std::string kind, BlockingHandler handler);
  void add_coroutine(std::string kind, CoroutineHandler handler);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringmaster::sdk
