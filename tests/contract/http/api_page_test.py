"""The curl sessions of docs/api.md, carried out in their order: each command must work, and where the page shows the
answer, the server's has its shape. An ellipsis on the page stands for anything; ids, times and figures may differ."""

import json
import re
import subprocess
import unittest
from pathlib import Path

from standalone_server import StandaloneServer

PAGE = Path(__file__).resolve().parents[3] / "docs" / "api.md"
TASK = re.compile(r"task_[0-9a-z]{13}")
# What is another one at each run, for strings that are told apart.
VARIABLE = re.compile(r"task_[0-9a-z]{13}|\d{4}-\d\d-\d\dT[\d:.]+Z|[0-9a-f]{4,}|w\d|m\d|demo|standalone|\d+")


def code_blocks(text):
    """(line, text) of each indented block; blocks that only an empty line parts are one."""
    blocks, lines, first = [], [], 0
    for number, line in enumerate(text.split("\n") + ["end"], 1):
        if line.startswith("    "):
            first = first or number
            lines.append(line[4:])
        elif not line and lines:
            lines.append("")
        elif lines:
            blocks.append((first, "\n".join(lines).strip()))
            lines, first = [], 0
    return blocks


def sessions(text):
    """(line, command, the answer that the page shows or an empty text) of each curl."""
    found = []
    for line, block in code_blocks(text):
        for part in re.split(r"\n\n(?=curl |\$ |HTTP/)|(?<=[^\\])\n(?=curl |\$ )", block):
            if part.startswith("curl "):
                command, _, answer = part.partition("\n\n")
                found.append([line, command, answer])
            elif part.startswith("HTTP/") and found and found[-1][0] == line:
                found[-1][2] = part
    return found


class Shape:
    """Whether an answer looks as the page says."""

    def __init__(self):
        self.differences = []

    def compare(self, shown, given, at="$"):
        if isinstance(shown, dict) and isinstance(given, dict):
            open_ended = shown.pop("…", None) is not None
            for name in shown:
                if name not in given:
                    self.differences.append(f"{at}: there is no {name}")
                else:
                    self.compare(shown[name], given[name], f"{at}.{name}")
            unknown = set(given) - set(shown)
            if unknown and not open_ended:
                self.differences.append(f"{at}: {', '.join(sorted(unknown))} are not on the page")
        elif isinstance(shown, list) and isinstance(given, list):
            for index, (one, other) in enumerate(zip(shown, given)):
                self.compare(one, other, f"{at}[{index}]")
            if bool(shown) != bool(given):
                self.differences.append(f"{at}: {given} is not like {shown}")
        elif isinstance(shown, str) and isinstance(given, str):
            pattern = "(?s:.*)".join(map(self.pattern, shown.split("…")))
            if not re.fullmatch(pattern, given):
                self.differences.append(f"{at}: {given!r} is not like {shown!r}")
        elif type(shown) is not type(given):
            self.differences.append(f"{at}: {given!r} is not like {shown!r}")

    @staticmethod
    def pattern(text):
        parts, at = [], 0
        for match in VARIABLE.finditer(text):
            parts += [re.escape(text[at : match.start()]), r"\S+"]
            at = match.end()
        return "".join(parts) + re.escape(text[at:])


class ApiPage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = StandaloneServer()
        cls.addClassCleanup(cls.server.close)

    def setUp(self):
        self.tasks = {}  # of the page: of the server
        failed = [self.server.submit(kind="noop", spec={"fail": True}) for _ in range(3)]
        for task in failed:
            self.server.ask("GET", f"/v1/tasks/{task}?wait=30s")

    def task_for(self, command):
        """A task in the state that the command is about, unless an earlier one has made it."""
        if ":explain" in command:  # one of more tasks than the worker takes
            return [self.server.submit(kind="noop", spec={"sleep": "5m"}) for _ in range(12)][-1]
        task = self.server.submit(kind="noop", run_at="2999-01-01T00:00:00Z")
        if ":release" in command:
            self.server.quarantine(task)
        return task

    def prepared(self, command):
        for named in TASK.findall(command):
            if named not in self.tasks:
                self.tasks[named] = self.task_for(command)
            command = command.replace(named, self.tasks[named])
        return command.replace("127.0.0.1:7480", self.server.address)

    def carry_out(self, command):
        """Status line, headers and body, whatever the page's own options are."""
        self.assertTrue(command.startswith("curl "))
        done = subprocess.run(["bash", "-c", command.replace("curl ", "curl -sS -i --max-time 60 ", 1)],
                              capture_output=True, text=True, check=False)  # fmt: skip
        self.assertEqual(done.returncode, 0, f"{command}: {done.stderr}")
        head, _, body = done.stdout.replace("\r\n", "\n").partition("\n\n")
        return head, body

    def test_each_session_goes_as_the_page_says(self):
        all_sessions = sessions(PAGE.read_text())
        self.assertGreaterEqual(len(all_sessions), 10)
        for line, command, shown in all_sessions:
            with self.subTest(line=line, command=command):
                head, body = self.carry_out(self.prepared(command))
                self.assertRegex(head, r"^HTTP/1\.1 2\d\d ")
                self.compare(shown, head, body)

    def compare(self, shown, head, body):
        shown_head, shown_body = "", shown
        if shown.startswith("HTTP/"):
            shown_head, _, shown_body = shown.partition("\n\n")
        for expected in shown_head.split("\n"):
            pattern = Shape.pattern(expected)
            self.assertTrue(any(re.fullmatch(pattern, line) for line in head.split("\n")) or not expected,
                            f"no line like {expected!r} in\n{head}")  # fmt: skip
        if not shown_body.startswith(("{", "[")):
            return
        shown_value, value = json.loads(shown_body), json.loads(body)
        shape = Shape()
        shape.compare(shown_value, value)
        self.assertEqual([], shape.differences, body)
        for named, real in zip(TASK.findall(shown_body), TASK.findall(body)):
            self.tasks.setdefault(named, real)


if __name__ == "__main__":
    unittest.main()
