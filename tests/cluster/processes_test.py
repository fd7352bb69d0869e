"""The process keeper: finds its own again, never touches a stranger, and gets rid of the stubborn."""

import json
import os
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from processes import ClusterError, Process, choose_port, port_is_free, start_ticks, stop_all

SLEEP = ["sleep", "300"]
READY_THEN_DEAF = ["sh", "-c", 'trap "" TERM; touch "$0"; while :; do sleep 0.1; done']


class Processes(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.state = Path(folder.name)

    def process(self, name, command=None):
        process = Process(self.state, name)
        if command:
            process.start(command)
            self.addCleanup(process.send, signal.SIGKILL)
        return process

    def test_a_later_script_finds_and_stops_what_an_earlier_one_started(self):
        pid = self.process("a", SLEEP).pid()
        self.assertEqual(Process(self.state, "a").pid(), pid)
        self.assertEqual(stop_all([Process(self.state, "a")], 10), [])
        self.assertIsNone(start_ticks(pid))
        self.assertFalse(Process(self.state, "a").record.exists())

    def test_a_recycled_pid_is_left_alone(self):
        stranger = subprocess.Popen(SLEEP)
        self.addCleanup(stranger.wait)
        self.addCleanup(stranger.kill)
        ours = self.process("a", SLEEP)
        record = ours.recorded()
        ours.send(signal.SIGKILL)
        record["pid"] = stranger.pid
        record["start"] = start_ticks(stranger.pid) - 1  # one tick of the kernel earlier
        ours.record.write_text(json.dumps(record))
        later = Process(self.state, "a")
        self.assertIsNone(later.pid())
        self.assertEqual(stop_all([later], 1), [])
        self.assertIsNone(stranger.poll())

    def test_a_record_of_another_boot_names_nobody(self):
        process = self.process("a", SLEEP)
        record = process.recorded()
        record["boot"] = "another"
        process.record.write_text(json.dumps(record))
        self.assertIsNone(process.pid())
        os.kill(record["pid"], signal.SIGKILL)

    def test_a_torn_record_names_nobody(self):
        process = Process(self.state, "a")
        process.record.parent.mkdir()
        process.record.write_text('{"pid": 1')
        self.assertIsNone(process.pid())

    def test_what_ignores_the_signal_is_killed(self):
        flag = self.state / "ready"
        process = self.process("a", [*READY_THEN_DEAF, flag])
        process.wait_ready(flag.exists, 10)
        self.assertEqual(stop_all([process], 0.2), ["a"])
        self.assertIsNone(process.pid())

    def test_a_process_that_ends_while_starting_is_reported_with_its_log(self):
        process = self.process("a", ["sh", "-c", "echo no such luck; exit 3"])
        with self.assertRaisesRegex(ClusterError, "no such luck"):
            process.wait_ready(lambda: False, 10)

    def test_a_port_in_use_is_passed_over(self):
        taken = set()
        first = choose_port(20000, taken)
        self.assertTrue(port_is_free(first))
        self.assertGreater(choose_port(first, taken), first)


if __name__ == "__main__":
    unittest.main(warnings="ignore")  # leaving children behind is what this is about
