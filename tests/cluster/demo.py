"""The demo: one task for each file under /usr/include, on a Ringmaster of its own, and the proof that it is right.

Each task runs `sha256sum <file>` as a real process. Afterwards every digest is compared with that of one sequential
run, the states and workers are counted, and the time from submission to start is measured. Everything that was started
is stopped again, whatever happens. Exits with 0 only if nothing differs.
"""

import argparse
import collections
import datetime
import signal
import subprocess
import sys
import tempfile
import threading
import time

from cluster import Cluster, forget_other_clusters
from processes import ClusterError
from standalone import Standalone

MASTERS, WORKERS, SLOTS = 2, 3, 2
STANDALONE_SLOTS = 4
PROBES = 200


class Failure(Exception):
    """The outcome is not what it must be."""


def step(text):
    print(f"\n--- {text}")


def find_files(folder, limit):
    """Regular files; JSON cannot carry a name that is not UTF-8, which is left out."""
    found = subprocess.run(["find", folder, "-type", "f", "-print0"], stdout=subprocess.PIPE, check=True).stdout
    names = sorted(name for name in found.decode("utf-8", "replace").split("\0") if name and "\ufffd" not in name)
    if not names:
        raise Failure(f"there are no files under {folder}")
    return names[:limit] if limit else names


def digest_of(line):
    """The digest in a line of sha256sum, which starts with a backslash when the name is escaped."""
    return line.removeprefix("\\")[:64]


def hash_sequentially(names):
    listing = "\0".join(names).encode()
    done = subprocess.run(["xargs", "-0", "sha256sum", "--"], input=listing, stdout=subprocess.PIPE, check=True)
    lines = done.stdout.decode().removesuffix("\n").split("\n")  # a line break in a name is escaped
    if len(lines) != len(names):
        raise Failure(f"sha256sum answered {len(lines)} lines for {len(names)} files")
    return dict(zip(names, map(digest_of, lines)))


class Progress:
    """While the tasks run, says every two seconds how many have ended; ringctl does so itself on a terminal."""

    def __init__(self, cluster, total):
        self.cluster, self.total = cluster, total
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def __enter__(self):
        if not sys.stderr.isatty():
            self.thread.start()

    def __exit__(self, *_):
        self.done.set()
        if self.thread.is_alive():
            self.thread.join()

    def watch(self):
        while not self.done.wait(2):
            ended = self.cluster.postgres.query("select count(*) from ringmaster.task_history")
            print(f"  {int(ended):,} of {self.total:,} tasks have ended")


def submit(cluster, names):
    """One `ringctl task submit --each --wait`, fed with the names; answers the seconds from start to the last end."""
    command = cluster.ctl("task", "submit", "--each", "-0", "--wait", "--label", "demo=hash", "--", "sha256sum", "{}")
    print("  $ find … -print0 | ringctl " + " ".join(command[command.index("task") :]))
    with tempfile.TemporaryFile() as listing, Progress(cluster, len(names)):
        listing.write("".join(name + "\0" for name in names).encode())
        listing.seek(0)
        began = time.monotonic()
        code = subprocess.run(command, stdin=listing, stdout=subprocess.DEVNULL, check=False).returncode
        seconds = time.monotonic() - began
    if code != 0:
        raise Failure(f"ringctl task submit ended with {code}")
    return seconds


def probe_latency(cluster):
    """Tasks submitted one at a time on the idle cluster: nothing to queue behind."""
    for _ in range(PROBES):
        command = cluster.ctl("task", "submit", "--wait", "--label", "demo=probe", "--", "true")
        if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode != 0:
            raise Failure("a task submitted to the idle cluster failed")


def seconds_to_start(task):
    created, started = (
        datetime.datetime.fromisoformat(text) for text in (task["created_at"], task["result"]["started_at"])
    )
    return (started - created).total_seconds()


def percentiles(values):
    values = sorted(values)
    return values[len(values) // 2], values[min(len(values) - 1, len(values) * 99 // 100)]


def duration(seconds):
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.2f} ms"


def prove(tasks, expected):
    """Each file has exactly one task, which succeeded with the right digest. Raises Failure otherwise."""
    states = collections.Counter(task["state"] for task in tasks)
    print("  by state:  " + ", ".join(f"{count:,} {state}" for state, count in sorted(states.items())))
    workers = collections.Counter(task["worker"] for task in tasks)
    print("  by worker: " + ", ".join(f"{worker} {count:,}" for worker, count in sorted(workers.items())))
    seen = collections.Counter(task["spec"]["argv"][-1] for task in tasks)
    problems = [f"{name}: {seen[name]} tasks" for name in expected if seen[name] != 1]
    problems += [f"{name}: nobody asked for this" for name in seen if name not in expected]
    for task in tasks:
        name, result = task["spec"]["argv"][-1], task.get("result") or {}
        found = digest_of(result.get("output_tail") or "")
        if task["state"] != "SUCCEEDED" or found != expected.get(name):
            problems.append(f"{name}: {task['state']}, digest {found or 'none'}, expected {expected.get(name)}")
    if problems:
        raise Failure(f"{len(problems)} files differ:\n" + "\n".join("    " + line for line in problems[:10]))
    print(f"  digests:   all {len(expected):,} equal those of a sequential sha256sum")


def check_store(cluster, total):
    """The database itself says the same: nothing left over, one end for each task."""
    waiting, ended, distinct = cluster.postgres.query(
        "select (select count(*) from ringmaster.task), count(*), count(distinct id) from ringmaster.task_history"
    ).split("|")
    print(f"  database:  {int(ended):,} rows in task_history, {int(waiting):,} in task")
    if (int(waiting), int(ended), int(distinct)) != (0, total, total):
        raise Failure(f"expected {total:,} rows in task_history, each once, and none in task")


def run(cluster, arguments):
    began = time.monotonic()
    names = find_files(arguments.folder, arguments.limit)
    step(f"{len(names):,} files under {arguments.folder}: one task each. First the truth: one sequential sha256sum")
    expected = hash_sequentially(names)
    print(f"  done in {duration(time.monotonic() - began)}")

    cluster.down(wipe=True)  # what an interrupted demo left behind
    if arguments.cluster:
        step(f"a fresh cluster: PostgreSQL, ZooKeeper, {MASTERS} masters, {WORKERS} workers with {SLOTS} slots each")
        cluster.up(MASTERS, WORKERS, SLOTS, "dev")
    else:
        step("a fresh `ringmaster standalone`: master, worker and PostgreSQL of its own")
        cluster.up(STANDALONE_SLOTS, "dev")

    step(f"{len(names):,} tasks, each a process of its own")
    seconds = submit(cluster, names)
    tasks = cluster.ask_ctl("task", "list", "--all")
    print(f"  done in {duration(seconds)}: {len(names) / seconds:,.0f} tasks a second, submission and results included")
    step("the proof")
    prove(tasks, expected)
    check_store(cluster, len(names))

    step(f"from submission to start; then {PROBES} more tasks, one at a time on the idle cluster")
    p50, p99 = percentiles(map(seconds_to_start, tasks))
    print(f"  all at once:   p50 {duration(p50)}, p99 {duration(p99)} (the backlog is waited for)")
    probe_latency(cluster)
    known = {task["id"] for task in tasks}
    probes = [task for task in cluster.ask_ctl("task", "list", "--all") if task["id"] not in known]
    p50, p99 = percentiles(map(seconds_to_start, probes))
    print(f"  one at a time: p50 {duration(p50)}, p99 {duration(p99)}")
    print(f"\nthe demo is right: {len(names):,} of {len(names):,} digests, in {time.monotonic() - began:.0f} s in all")


def main():
    parser = argparse.ArgumentParser(
        prog="./dev demo",
        description="Hashes every file under a folder, each as a task of its own, proves the outcome, and stops "
        "everything. On a `ringmaster standalone`, or on a cluster of 2 masters and 3 workers, all on loopback. "
        "Half a minute once built.",
    )
    parser.add_argument("folder", nargs="?", default="/usr/include", help="default /usr/include")
    parser.add_argument("--cluster", action="store_true", help="2 masters, 3 workers, ZooKeeper: each its own process")
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="only the first N files")
    parser.add_argument("--keep", action="store_true", help="leave the state in .state/demo for a look at the logs")
    arguments = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    forget_other_clusters()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    cluster = Cluster("demo") if arguments.cluster else Standalone("demo")
    try:
        with cluster.locked():
            return run_and_stop(cluster, arguments)
    except ClusterError as error:
        print(f"dev demo: {error}", file=sys.stderr)
        return 1


def run_and_stop(cluster, arguments):
    code = 1
    try:
        run(cluster, arguments)
        code = 0
    except (ClusterError, Failure, subprocess.CalledProcessError) as error:
        print(f"dev demo: {error}\nits logs stay in {cluster.state / 'logs'}", file=sys.stderr)
    except (KeyboardInterrupt, SystemExit):
        code = 130
        print("interrupted", file=sys.stderr)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would leave them running
        stopped, killed = cluster.down(wipe=code in (0, 130) and not arguments.keep)
        print(f"stopped {', '.join(stopped) or 'nothing'}" + (f"; had to kill {', '.join(killed)}" if killed else ""))
    return code


if __name__ == "__main__":
    sys.exit(main())
