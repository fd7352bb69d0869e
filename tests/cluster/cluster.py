"""A private cluster on this machine: PostgreSQL, ZooKeeper, masters and workers, each a process of its own on loopback.

`up` makes the world as asked for, whatever it finds: it keeps what runs as wanted, restarts what runs otherwise, starts
what is missing. `down` stops by pid what `up` started. State lives in .state/<name>; everything there may be deleted.
"""

import argparse
import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from processes import ClusterError, Process, choose_port, port_is_free, stop_all
from servers import Postgres, ZooKeeper

ROOT = Path(__file__).resolve().parent.parent.parent
DRAIN_SECONDS = 45  # a worker finishes what runs for at most 30 s
MASTER_STOP_SECONDS = 30  # a master hands its shards over within 20 s


class Cluster:
    def __init__(self, name):
        self.name = name
        self.state = ROOT / ".state" / name
        self.plan_file = self.state / "cluster.json"
        self.secret = self.state / "secret"
        self.plan = {"preset": "dev", "masters": [], "workers": [], "zookeeper": None}
        if self.plan_file.exists():
            self.plan = json.loads(self.plan_file.read_text())
        self.postgres = Postgres(self.state)

    # ---- what is where ----------------------------------------------------------------------------------------------

    @contextmanager
    def locked(self):
        self.state.mkdir(parents=True, exist_ok=True)
        with open(self.state / "lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ClusterError(f"another command is changing the cluster in {self.state}") from None
            yield

    def program(self, name):
        path = ROOT / "build" / self.plan["preset"] / "bin" / name
        if not path.exists():
            raise ClusterError(f"{path} is not built; run './dev build {self.plan['preset']}'")
        return path

    def process(self, name):
        return Process(self.state, name)

    def zookeeper(self):
        return ZooKeeper(self.state, self.plan["zookeeper"])

    def addresses(self):
        return ",".join(f"127.0.0.1:{m['rpc']}" for m in self.plan["masters"])

    def ctl(self, *arguments):
        return [str(self.program("ringctl")), "--address", self.addresses(), "--cluster", self.name,
                "--secret-file", str(self.secret), *arguments]  # fmt: skip

    def master_command(self, master):
        return [
            self.program("ringmaster"), "serve", "--node-id", master["id"], "--cluster", self.name,
            "--listen", f"127.0.0.1:{master['rpc']}", "--http-listen", f"127.0.0.1:{master['http']}",
            "--database", self.postgres.conninfo(), "--zookeeper", self.zookeeper().address(),
            "--secret-file", self.secret,
        ]  # fmt: skip

    def worker_command(self, worker):
        return [
            self.program("ringworker"), "serve", "--node-id", worker["id"], "--cluster", self.name,
            "--listen", f"127.0.0.1:{worker['rpc']}", "--zookeeper", self.zookeeper().address(),
            "--groups", "default", "--slots", str(self.plan["slots"]),
            "--data-dir", self.state / "workers" / worker["id"], "--secret-file", self.secret,
        ]  # fmt: skip

    # ---- up ---------------------------------------------------------------------------------------------------------

    def make_plan(self, masters, workers, slots, preset):
        """Keeps the ports of an earlier plan where they are ours or still free."""
        ports = {node["id"]: node for node in self.plan["masters"] + self.plan["workers"]}
        ports["zookeeper"] = {"rpc": self.plan["zookeeper"]}
        kept = set()
        for name, node in ports.items():
            living = self.process(name).pid()
            kept |= {p for key, p in node.items() if key != "id" and p and (living or port_is_free(p))}
        taken = set(kept)

        def port(name, key, preferred):
            if ports.get(name, {}).get(key) in kept:
                return ports[name][key]
            return choose_port(preferred, taken)

        plan = {"preset": preset, "slots": slots, "masters": [], "workers": []}
        plan["zookeeper"] = port("zookeeper", "rpc", 2181)
        for number in range(1, masters + 1):
            name = f"m{number}"
            rpc, http = port(name, "rpc", 7419 + number), port(name, "http", 7479 + number)
            plan["masters"].append({"id": name, "rpc": rpc, "http": http})
        for number in range(1, workers + 1):
            plan["workers"].append({"id": f"w{number}", "rpc": port(f"w{number}", "rpc", 7439 + number)})
        self.plan = plan
        partial = self.plan_file.with_suffix(".new")
        partial.write_text(json.dumps(plan, indent=1))
        partial.rename(self.plan_file)

    def make_secret(self):
        if not self.secret.exists():
            partial = self.secret.with_suffix(".new")
            partial.unlink(missing_ok=True)
            partial.touch(mode=0o600)
            partial.write_text(secrets.token_hex(32) + "\n")
            partial.rename(self.secret)

    def up_servers(self):
        self.postgres.start()
        print(f"  PostgreSQL  {self.postgres.home} (pid {self.postgres.process.pid()})")
        zookeeper = self.zookeeper()
        zookeeper.start()
        print(f"  ZooKeeper   {zookeeper.address()} (pid {zookeeper.process.pid()})")

    def up(self, masters, workers, slots, preset):
        before = {process.name for process in self.daemons()}
        self.make_plan(masters, workers, slots, preset)
        surplus = before - {node["id"] for node in self.plan["masters"] + self.plan["workers"]}
        stop_all([self.process(name) for name in surplus], DRAIN_SECONDS)
        self.make_secret()
        self.up_servers()
        migrated = subprocess.run(
            [self.program("ringmaster"), "migrate", "--database", self.postgres.conninfo()],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if migrated.returncode != 0:
            raise ClusterError(f"ringmaster migrate failed:\n{migrated.stderr.strip()}")
        self.write_environment()
        for master in self.plan["masters"]:
            self.start_daemon(master["id"], self.master_command(master))
        for worker in self.plan["workers"]:
            self.start_daemon(worker["id"], self.worker_command(worker))
        for master in self.plan["masters"]:
            process = self.process(master["id"])
            process.wait_ready(lambda port=master["http"]: is_ready(port), 60)
            print(f"  master {master['id']}   rpc 127.0.0.1:{master['rpc']}, http 127.0.0.1:{master['http']}"
                  f" (pid {process.pid()})")  # fmt: skip
        for worker in self.plan["workers"]:
            process = self.process(worker["id"])
            process.wait_ready(lambda name=worker["id"]: name in self.connected_workers(), 60, interval=0.1)
            print(f"  worker {worker['id']}   rpc 127.0.0.1:{worker['rpc']}, {slots} slots (pid {process.pid()})")
        # The first master takes all shards and hands the others theirs once it sees them.
        self.process(self.plan["masters"][0]["id"]).wait_ready(self.every_shard_is_owned, 60, interval=0.1)

    def start_daemon(self, name, command):
        process = self.process(name)
        command = [str(part) for part in command]
        if process.command() not in (None, command):
            stop_all([process], DRAIN_SECONDS)
        if process.pid() is None:
            process.start(command)

    def connected_workers(self):
        try:
            return {worker["id"] for worker in self.ask_ctl("worker", "list") if worker["connected"]}
        except ClusterError:
            return set()  # not yet

    def every_shard_is_owned(self):
        try:
            return self.ask_ctl("cluster", "status")[0]["shards_unowned"] == 0
        except ClusterError:
            return False

    def ask_ctl(self, *arguments):
        """What ringctl answers, one JSON document a line."""
        command = self.ctl("-o", "jsonl", *arguments)
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode != 0:
            raise ClusterError(f"ringctl {' '.join(arguments)} failed: {answer.stderr.strip()}")
        return [json.loads(line) for line in answer.stdout.splitlines() if line.strip()]

    def write_environment(self):
        lines = {
            "PATH": f'{ROOT / "build" / self.plan["preset"] / "bin"}:$PATH',
            "RINGMASTER_ADDRESS": self.addresses(),
            "RINGMASTER_CLUSTER": self.name,
            "RINGMASTER_SECRET_FILE": self.secret,
            "RINGMASTER_DATABASE": self.postgres.conninfo(),
            "RINGMASTER_ZOOKEEPER": self.zookeeper().address(),
        }
        text = "".join(f'export {key}="{value}"\n' for key, value in lines.items())
        (self.state / "environment").write_text(text)

    # ---- down and status --------------------------------------------------------------------------------------------

    def daemons(self):
        """Every daemon with a record, planned or left over from an earlier plan."""
        names = sorted(path.stem for path in (self.state / "pids").glob("*.json"))
        return [self.process(name) for name in names if name not in ("postgres", "zookeeper")]

    def down(self, wipe=False):
        daemons = self.daemons()
        running = [process.name for process in daemons if process.pid()]
        killed = stop_all([p for p in daemons if p.name.startswith("w")], DRAIN_SECONDS)
        killed += stop_all([p for p in daemons if not p.name.startswith("w")], MASTER_STOP_SECONDS)
        servers = [Process(self.state, "zookeeper"), self.postgres.process]
        running += [process.name for process in servers if process.pid()]
        killed += stop_all(servers, 30)
        if wipe:
            self.postgres.wipe()
            for path in self.state.iterdir():
                if path.name == "lock":
                    continue
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            self.plan = {"preset": "dev", "masters": [], "workers": [], "zookeeper": None}
        return running, killed

    def status(self):
        names = ["postgres", "zookeeper", *(node["id"] for node in self.plan["masters"] + self.plan["workers"])]
        dead = 0
        for name in names:
            process = self.process(name)
            pid = process.pid()
            dead += pid is None
            print(f"  {name:<10} {'running, pid ' + str(pid) if pid else 'not running':<24} {process.log}")
        return dead == 0


def forget_other_clusters():
    """The variables of a cluster that was sourced in this shell must not reach the programs of another one."""
    for name in [name for name in os.environ if name.startswith("RINGMASTER_")]:
        del os.environ[name]


def is_ready(http_port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{http_port}/readyz", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def command_up(cluster, arguments):
    print(f"starting {arguments.masters} masters and {arguments.workers} workers; state in {cluster.state}")
    with cluster.locked():
        cluster.up(arguments.masters, arguments.workers, arguments.slots, "release" if arguments.release else "dev")
    http = cluster.plan["masters"][0]["http"]
    environment = (cluster.state / "environment").relative_to(ROOT)
    print(f"""
the cluster is up; try:
  source {environment}
  ringctl cluster status
  ringctl task submit --wait -- echo hello
  curl -s 127.0.0.1:{http}/v1/workers
  psql "$RINGMASTER_DATABASE" -c 'table ringmaster.master'
and when done:
  ./dev cluster down""")
    return 0


def command_down(cluster, arguments):
    if not cluster.state.exists():
        print("nothing to stop: there is no cluster here")
        return 0
    with cluster.locked():
        running, killed = cluster.down(arguments.wipe)
    print(f"stopped: {', '.join(running) or 'nothing was running'}")
    if killed:
        print(f"had to be killed: {', '.join(killed)}")
    print("wiped its state" if arguments.wipe else f"its state stays in {cluster.state}; --wipe removes it")
    return 0


def command_status(cluster, _):
    if not cluster.plan["masters"]:
        print("there is no cluster; './dev cluster up' starts one")
        return 1
    alive = cluster.status()
    for noun in (["cluster", "status"], ["master", "list"], ["worker", "list"]):
        print()
        alive = subprocess.run(cluster.ctl(*noun), check=False).returncode == 0 and alive
    return 0 if alive else 1


def main():
    parser = argparse.ArgumentParser(
        prog="./dev cluster",
        description="A private cluster on this machine: PostgreSQL, ZooKeeper, masters and workers on loopback.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start it, or make a running one as asked for")
    up.add_argument("--masters", type=int, default=2, choices=range(1, 17), metavar="N", help="default 2")
    up.add_argument("--workers", type=int, default=3, choices=range(1, 33), metavar="N", help="default 3")
    up.add_argument("--slots", type=int, default=2, help="attempts that one worker runs at a time, default 2")
    up.add_argument("--release", action="store_true", help="the release build rather than the dev one")
    commands.add_parser("status", help="what runs, and what the masters say; fails unless all is up")
    down = commands.add_parser("down", help="stop it; workers finish what they run, for at most 30 s")
    down.add_argument("--wipe", action="store_true", help="remove its database and all other state, too")
    for command in commands.choices.values():
        command.add_argument("--name", default="cluster", help="several can live side by side, default: cluster")
    arguments = parser.parse_args()
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,31}", arguments.name):
        parser.error("--name takes 1 to 32 of a-z, 0-9 and -")
    run = {"up": command_up, "status": command_status, "down": command_down}[arguments.command]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.stdout.reconfigure(line_buffering=True)
    forget_other_clusters()
    try:
        return run(Cluster(arguments.name), arguments)
    except BrokenPipeError:  # `… | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except ClusterError as error:
        print(f"dev cluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; './dev cluster down' stops what is up", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
