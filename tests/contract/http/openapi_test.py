"""The running server against its own OpenAPI description: each operation with each answer that is described, and
answers of no description at all. A response that is described and not provoked here is a failure too."""

import contextlib
import http.client
import json
import os
import queue
import re
import signal
import socket
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

import jsonschema
from standalone_server import BINARIES, Answer, StandaloneServer

JSON = {"Content-Type": "application/json"}
SLOW_BODY_SECONDS = 45  # the server gives a body 30
NOBODY = "task_0000000000fff"


class SlowSubmission(threading.Thread):
    """Sends a header and half a body, and waits for what the server says to that."""

    def __init__(self, address, target):
        super().__init__(daemon=True)
        self.address, self.target, self.answer = address, target, None

    def run(self):
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port)), timeout=SLOW_BODY_SECONDS) as connection:
            connection.sendall(
                f"POST {self.target} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
                "Content-Length: 20\r\n\r\n[{}".encode()
            )
            response = http.client.HTTPResponse(connection, method="POST")
            response.begin()
            self.answer = Answer(response)


@contextlib.contextmanager
def starting_master():
    """A master that waits for its database: every question meets a server that cannot answer yet."""
    with tempfile.NamedTemporaryFile("w", prefix="ringmaster-starting-") as log:
        command = [BINARIES / "ringmaster", "serve", "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0",
                   "--database", "host=127.0.0.1 port=1 user=nobody", "--zookeeper", "127.0.0.1:1"]  # fmt: skip
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            listening = None
            while listening is None:
                if process.poll() is not None:
                    raise AssertionError("the master ended: " + Path(log.name).read_text())
                listening = re.search(r"HTTP on (\S+)", Path(log.name).read_text())
            yield listening.group(1)
        finally:
            process.kill()
            process.wait()


class OpenApi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = StandaloneServer()
        cls.addClassCleanup(cls.server.close)
        cls.document = cls.server.ask("GET", "/v1/openapi.json").json()
        cls.operations = {
            operation["operationId"]: (method.upper(), path, operation)
            for path, item in cls.document["paths"].items()
            for method, operation in item.items()
        }
        cls.seen = set()

    # ---- the description's own parts ----

    def resolve(self, part):
        while "$ref" in part:
            target = self.document
            for name in part["$ref"].removeprefix("#/").split("/"):
                target = target[name]
            part = target
        return part

    def validate(self, value, schema, what):
        whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema,
                 "components": self.document["components"]}  # fmt: skip
        errors = list(jsonschema.Draft202012Validator(whole).iter_errors(value))
        self.assertEqual([], [f"{what}: {error.json_path}: {error.message}" for error in errors])

    def check(self, operation_id, answer, status):
        what = f"{operation_id} {status}"
        self.assertEqual(answer.status, status, f"{what}: {answer.body[:500]}")
        responses = self.operations[operation_id][2]["responses"]
        name = str(status) if str(status) in responses else "default"
        response = self.resolve(responses[name])
        self.seen.add((operation_id, name))
        self.assertIn(answer.type, response["content"], what)
        for header, described in response.get("headers", {}).items():
            if header not in answer.headers:
                self.assertFalse(described.get("required"), f"{what}: no header {header}")
                continue
            self.validate(answer.headers[header], described["schema"], f"{what} {header}")
        if answer.type != "text/plain":
            self.validate(answer.json(), response["content"][answer.type]["schema"], what)
        return answer

    def case(self, operation_id, status, task=None, query="", body=None, headers=None, address=None):
        method, path, _ = self.operations[operation_id]
        target = path.replace("{id}", task or "") + query
        return self.check(operation_id, self.server.ask(method, target, body, headers, address), status)

    # ---- the cases ----

    def test_the_description_is_sound(self):
        self.assertEqual(self.document["openapi"], "3.1.0")
        for name, schema in self.document["components"]["schemas"].items():
            with self.subTest(name):
                jsonschema.Draft202012Validator.check_schema(schema)
        used = set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(self.document)))
        kinds = ("parameters", "responses", "schemas")
        there = {f"#/components/{kind}/{name}" for kind in kinds for name in self.document["components"][kind]}
        self.assertEqual(used, there)

    def test_each_answer_that_is_described(self):
        slow = [SlowSubmission(self.server.address, target) for target in ("/v1/tasks", "/v1/tasks:batch")]
        for submission in slow:
            submission.start()
        self.submissions()
        self.reads()
        self.controls()
        self.errors_of_everything()
        self.unavailable()
        self.keys_in_flight()
        for submission, operation_id in zip(slow, ("submit_tasks", "submit_batch")):
            submission.join(SLOW_BODY_SECONDS)
            self.check(operation_id, submission.answer, 408)
        described = {
            (operation_id, status)
            for operation_id, (_, _, operation) in self.operations.items()
            for status in operation["responses"]
            if status != "default"
        }
        self.assertEqual(described - self.seen, set(), "described, and never seen")

    def submissions(self):
        created = self.case("submit_tasks", 201, body={"kind": "noop"})
        self.assertEqual(created.headers["Location"], "/v1/tasks/" + created.json()["id"])
        whole = {
            "namespace": "n", "group": "default", "kind": "noop", "spec": {}, "priority": 9,
            "run_at": "2020-01-01T00:00:00Z", "routing_key": "k", "routing": "strict", "timeout": "1m",
            "start_deadline": "1h", "retry": {"max_attempts": 2, "backoff": "1s", "factor": 2, "backoff_max": "5m"},
            "on_worker_lost": "fail", "labels": {"a": "b"}, "traceparent": "t", "created_by": "c",
            "idempotency_key": "openapi",
        }  # fmt: skip
        schema = self.document["components"]["schemas"]["NewTask"]
        self.assertEqual(set(whole), set(schema["properties"]), "a field is described, or tested, and not both")
        self.validate(whole, schema, "the whole task")
        self.case("submit_tasks", 201, body=[whole])
        self.case("submit_tasks", 422, body=[{**whole, "priority": 1}])
        batch = self.case("submit_batch", 200, body=[{"kind": "noop"}, {"prio": 1}, {**whole, "priority": 1}])
        self.assertEqual((batch.json()["accepted"], batch.json()["refused"]), (1, 2))
        for operation_id in ("submit_tasks", "submit_batch"):
            self.case(operation_id, 400, body="[", headers=JSON)
            self.case(operation_id, 413, body="[" + " " * (5 * 1024 * 1024) + "]", headers=JSON)
            self.case(operation_id, 415, body="{}", headers={"Content-Type": "text/plain"})
            self.case(operation_id, 431, body={}, headers={"X-Long": "x" * 20_000})

    def reads(self):
        done = self.server.submit(spec={"shell": "echo out"})
        self.assertEqual(self.case("get_task", 200, done, "?wait=30s").json()["state"], "SUCCEEDED")
        failed = self.server.submit(kind="noop", spec={"fail": True}, retry={"max_attempts": 2, "backoff": "10ms"})
        view = self.case("get_task", 200, failed, "?wait=30s").json()
        self.assertEqual((view["state"], len(view["attempts"])), ("FAILED", 1))
        self.case("get_task", 200, self.server.submit(kind="noop", run_at="2999-01-01T00:00:00Z"))
        self.case("list_tasks", 200, query="?limit=1&state=SUCCEEDED,FAILED&kind=process")
        self.case("read_log", 200, done)
        self.assertEqual(self.case("read_log", 200, done, "?follow=true").body, b"out\n")
        self.case("explain_task", 200, done)
        for operation_id in ("get_task", "explain_task", "read_log"):
            self.case(operation_id, 404, NOBODY)
            self.case(operation_id, 400, done, "?colour=red")
        self.case("list_tasks", 400, query="?limit=0")
        for operation_id in ("list_groups", "list_workers", "list_masters", "show_cluster", "audit_cluster", "openapi", "livez",
                             "readyz", "metrics"):  # fmt: skip
            self.case(operation_id, 200)
            self.case(operation_id, 400, query="?colour=red")
        self.case("readyz", 200, query="?verbose")
        self.assertEqual(self.case("audit_cluster", 200, query="?full").json()["verdict"], "clean")

    def controls(self):
        late = {"kind": "noop", "run_at": "2999-01-01T00:00:00Z"}
        self.case("cancel_task", 202, self.server.submit(**late), body={})
        held = self.server.submit(**late)
        self.case("release_task", 409, held)
        self.server.quarantine(held)
        self.case("release_task", 200, held)
        ended = self.server.submit(kind="noop")
        self.case("get_task", 200, ended, "?wait=30s")
        self.case("cancel_task", 409, ended)
        for operation_id in ("cancel_task", "release_task"):
            self.case(operation_id, 404, NOBODY)
            self.case(operation_id, 400, held, body={"why": "not"})
            self.case(operation_id, 415, held, body="{}", headers={"Content-Type": "text/plain"})

    def errors_of_everything(self):
        for operation_id, (_, path, _) in self.operations.items():
            answer = self.server.ask("DELETE", path.replace("{id}", NOBODY))
            self.assertTrue(answer.headers["Allow"])
            self.check(operation_id, answer, 405)

    def unavailable(self):
        with starting_master() as address:
            for operation_id, (method, _, operation) in self.operations.items():
                if "503" not in operation["responses"]:
                    continue
                body = [{"kind": "noop"}] if operation_id.startswith("submit") else None
                self.case(operation_id, 503, NOBODY, body=body, address=address)
            self.case("readyz", 503, query="?verbose", address=address)

    def keys_in_flight(self):
        backends = self.server.postgres_backends()
        for target, operation_id in (("/v1/tasks", "submit_tasks"), ("/v1/tasks:batch", "submit_batch")):
            keyed = {"Idempotency-Key": operation_id}
            first = threading.Thread(target=self.server.ask, args=("POST", target, [{"kind": "noop"}], keyed))
            for pid in backends:
                os.kill(pid, signal.SIGSTOP)
            try:
                first.start()
                self.check(operation_id, self.first_refusal(target, keyed), 409)
            finally:
                for pid in backends:
                    os.kill(pid, signal.SIGCONT)
            first.join()

    def first_refusal(self, target, keyed):
        """Of requests with one key, while none of them can be carried out, all but one are refused at once."""
        refused = queue.Queue()

        def ask():
            answer = self.server.ask("POST", target, [{"kind": "noop"}], keyed)
            if answer.status == 409:
                refused.put(answer)

        for _ in range(2):
            threading.Thread(target=ask, daemon=True).start()
        return refused.get(timeout=20)


if __name__ == "__main__":
    unittest.main()
