"""A real `ringmaster standalone` of a test's own, on free ports and in a directory of its own; gone at the end."""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

BINARIES = Path(os.environ["RINGMASTER_BINARIES"])
DEADLINE = 60


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def type(self):
        return self.headers.get_content_type()

    def json(self):
        return json.loads(self.body)


class StandaloneServer:
    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="ringmaster-http-"))
        self.directory.chmod(0o711)  # the user postgres passes through
        self.data = self.directory / "data"
        self.log = self.directory / "log"
        command = [BINARIES / "ringmaster", "standalone", "--data", self.data, "--listen", "127.0.0.1:0",
                   "--http-listen", "127.0.0.1:0", "--slots", "4", "--drain-timeout", "1s"]  # fmt: skip
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            self.wait_for(lambda: "took 256 shards" in self.log.read_text())
        except Exception:
            self.close()
            raise
        listening = re.search(r"listens on (\S+), HTTP on (\S+)", self.log.read_text())
        self.rpc_address, self.address = listening.group(1), listening.group(2)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def wait_for(self, condition):
        deadline = time.monotonic() + DEADLINE
        while not condition():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{self.process.args[1]} did not get there:\n{self.log.read_text()}")
            time.sleep(0.02)

    def ask(self, method, target, body=None, headers=None, address=None):
        connection = http.client.HTTPConnection(address or self.address, timeout=DEADLINE)
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        connection.request(method, target, body, headers)
        answer = Answer(connection.getresponse())
        connection.close()
        return answer

    def submit(self, **task):
        return self.ask("POST", "/v1/tasks", task).json()["id"]

    def sql(self, statement):
        """On the server's own database, as an operator would."""
        psql = sorted(Path("/usr/lib/postgresql").glob("*/bin/psql"))[-1]
        command = [psql, "-h", self.data / "postgres/socket", "-U", "ringmaster", "-d", "postgres", "-v",
                   "ON_ERROR_STOP=1", "-qAtc", statement]  # fmt: skip
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def quarantine(self, task):
        """What three workers that die with it would do to a task that waits."""
        changes = f"state = 4, rank = {2**63 - 1}, crashes = 3"
        self.sql(f"update ringmaster.task set {changes} where id = {self.number_of(task)}")

    @staticmethod
    def number_of(task):
        """The digits are Crockford's base 32 in lower case."""
        value = 0
        for digit in task.removeprefix("task_"):
            value = value * 32 + "0123456789abcdefghjkmnpqrstvwxyz".index(digit)
        return value

    def postgres_backends(self):
        main = int((self.data / "postgres/data/postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        return [int(pid) for pid in children]
