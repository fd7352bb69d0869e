"""The two servers that a cluster needs, each private to one state folder: PostgreSQL 15 and ZooKeeper 3.8.

PostgreSQL listens on a Unix socket in a folder that only its user may enter, and on no port. fsync stays on.
"""

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from processes import ClusterError, Process, ask, stop_all

POSTGRES_PROGRAMS = Path("/usr/lib/postgresql/15/bin")
JARS = Path("/usr/share/java")
MAX_SOCKET_FOLDER = 90  # a socket's path is limited to 107 bytes


class Postgres:
    database = "ringmaster"

    def __init__(self, state):
        self.process = Process(state, "postgres", signal.SIGINT)  # fast shutdown: does not wait for clients
        self.state = state
        self.as_user = []
        self.owner = os.geteuid()
        if self.owner == 0:  # PostgreSQL refuses to run as root
            self.as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"]
            self.owner = pwd.getpwnam("postgres").pw_uid
        # Where an earlier run chose to live: rights may have changed since.
        self.choice = state / "postgres-home"
        self.home = Path(self.choice.read_text()) if self.choice.exists() else self.choose_home()

    def choose_home(self, name="postgres"):
        """Inside the state folder, unless the server's user cannot get there or the socket's path would be too long."""
        home = self.state / name
        existing = next(folder for folder in [self.state, *self.state.parents] if folder.exists())
        reachable = subprocess.run([*self.as_user, "test", "-x", existing], cwd="/", check=False).returncode == 0
        if reachable and len(str(home)) <= MAX_SOCKET_FOLDER - len("/postgres/socket"):
            return home
        digest = hashlib.sha256(str(home).encode()).hexdigest()[:16]
        return Path("/var/tmp") / f"ringmaster-{digest}"

    def conninfo(self, database=None):
        return f"host={self.home} port=5432 user=ringmaster dbname={database or self.database}"

    def run(self, program, *arguments):
        done = subprocess.run(
            [*self.as_user, POSTGRES_PROGRAMS / program, *arguments],
            capture_output=True, text=True, cwd="/", check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise ClusterError(f"{program} failed: {done.stderr.strip()}")
        return done.stdout

    def query(self, sql, database=None):
        return self.run("psql", "-XAtqd", self.conninfo(database), "-c", sql).strip()

    def command(self):
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": self.home,
            "port": 5432,
            "max_connections": 200,
            "shared_buffers": "256MB",
            "max_wal_size": "4GB",
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        command = [*self.as_user, POSTGRES_PROGRAMS / "postgres", "-D", self.home / "data", *options]
        return [str(part) for part in command]

    def make_home(self):
        self.home = self.choose_home() if not self.choice.exists() else self.home
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = self.home.lstat()
        if self.home.is_symlink() or found.st_uid not in (0, self.owner):
            raise ClusterError(f"{self.home} belongs to somebody else; remove it")
        self.choice.write_text(str(self.home))
        os.chown(self.home, self.owner, -1)
        self.home.chmod(0o700)
        if not (self.home / "data").exists():
            # Renamed once complete: an interrupted initdb is no database.
            shutil.rmtree(self.home / "data.new", ignore_errors=True)
            self.run("initdb", "-D", self.home / "data.new", "-U", "ringmaster", "-A", "trust", "--no-sync",
                     "--locale=C", "--encoding=UTF8")  # fmt: skip
            (self.home / "data.new").rename(self.home / "data")

    def start(self):
        if self.process.command() not in (None, self.command()):
            stop_all([self.process], 30)
        if self.process.pid() is None:
            self.make_home()
            self.process.start(self.command())
        self.process.wait_ready(self.is_ready, 60)
        if self.query("select count(*) from pg_database where datname = 'ringmaster'", "postgres") == "0":
            self.query("create database ringmaster", "postgres")

    def is_ready(self):
        ready = subprocess.run(
            [POSTGRES_PROGRAMS / "pg_isready", "-q", "-h", self.home, "-p", "5432"], cwd="/", check=False
        )
        return ready.returncode == 0

    def wipe(self):
        shutil.rmtree(self.home, ignore_errors=True)
        self.choice.unlink(missing_ok=True)


class ZooKeeper:
    def __init__(self, state, port):
        self.process = Process(state, "zookeeper")
        self.home = state / "zookeeper"
        self.port = port
        self.configuration = self.home / f"zoo-{port}.cfg"

    def address(self):
        return f"127.0.0.1:{self.port}"

    def command(self):
        # The jar's manifest names what it depends on; only a logger is missing there.
        classpath = f"{self.home}:{JARS}/zookeeper.jar:{JARS}/slf4j-simple.jar"
        return [
            "java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dzookeeper.jmx.log4j.disable=true",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", classpath,
            "org.apache.zookeeper.server.quorum.QuorumPeerMain", str(self.configuration),
        ]  # fmt: skip

    def start(self):
        if self.process.command() not in (None, self.command()):
            stop_all([self.process], 20)
        if self.process.pid() is None:
            (self.home / "data").mkdir(parents=True, exist_ok=True)
            settings = {
                "tickTime": 200,
                "maxSessionTimeout": 60000,
                "dataDir": self.home / "data",
                "clientPort": self.port,
                "clientPortAddress": "127.0.0.1",
                "maxClientCnxns": 0,
                "admin.enableServer": "false",
                "4lw.commands.whitelist": "*",
            }
            text = "".join(f"{key}={value}\n" for key, value in settings.items())
            self.configuration.write_text(text)
            self.process.start(self.command())
        self.process.wait_ready(lambda: "Mode:" in ask(self.port, b"srvr"), 60)
