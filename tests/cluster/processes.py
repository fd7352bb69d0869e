"""Child processes that outlive the script which started them: started, found again and stopped by pid.

A record file names each process by pid, kernel start time and boot, so that a recycled pid is never taken for ours;
signals go through a pidfd that is checked after it was opened. Nothing is ever found or killed by name.
"""

import json
import os
import select
import signal
import socket
import subprocess
import time
from pathlib import Path


class ClusterError(Exception):
    """A failure with a message for a person."""


def boot_id():
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_ticks(pid):
    """The kernel's start time of a living process; None if there is none (a zombie is not living)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


class Process:
    """One named process of a cluster, with its record (pids/<name>.json) and its log (logs/<name>.log)."""

    def __init__(self, state, name, stop_signal=signal.SIGTERM):
        self.name = name
        self.stop_signal = stop_signal
        self.record = state / "pids" / f"{name}.json"
        self.log = state / "logs" / f"{name}.log"
        self.child = None

    def start(self, command, environment=None):
        self.record.parent.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        command = [str(part) for part in command]
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=environment
            )
        record = {"pid": self.child.pid, "start": start_ticks(self.child.pid), "boot": boot_id(), "command": command}
        partial = self.record.with_suffix(".new")
        partial.write_text(json.dumps(record, indent=1))
        partial.rename(self.record)

    def recorded(self):
        try:
            return json.loads(self.record.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def pid(self):
        """The pid of the living process; None if it never started, has ended, or its pid is another process now."""
        if self.child is not None:
            self.child.poll()  # reaps it
        record = self.recorded()
        if not record or record["boot"] != boot_id() or record["start"] is None:
            return None
        if start_ticks(record["pid"]) != record["start"]:
            return None
        try:
            arguments = Path(f"/proc/{record['pid']}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            return None
        # A wrapper such as setpriv replaces itself by a tail of the command; a script is its interpreter's argument.
        # In the middle of an exec there are no arguments; the start time has identified it by then.
        command = {part.encode() for part in record["command"]}
        return record["pid"] if arguments == [b""] or command & set(arguments[:2]) else None

    def command(self):
        """The command of the living process, or None."""
        return self.recorded()["command"] if self.pid() else None

    def send(self, number):
        """True if the signal went to our process."""
        pid = self.pid()
        if pid is None:
            return False
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        try:
            if self.pid() != pid:  # recycled between the look and the open
                return False
            signal.pidfd_send_signal(handle, number)
            return True
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)

    def log_tail(self, lines=15):
        try:
            return "\n".join("    " + line for line in self.log.read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""

    def wait_ready(self, probe, seconds, interval=0.02):
        """Waits until probe() is true; a ClusterError with the end of its log if it ends or time is up."""
        deadline = time.monotonic() + seconds
        while not probe():
            if self.pid() is None:
                raise ClusterError(f"{self.name} ended while starting; the end of {self.log}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise ClusterError(f"{self.name} was not ready after {seconds} s; see {self.log}:\n{self.log_tail()}")
            time.sleep(interval)


def stop_all(processes, grace):
    """Signals all, waits for them together, kills what is left after `grace` seconds. Names what had to be killed."""
    stopping = [p for p in processes if p.send(p.stop_signal)]
    wait_gone(stopping, grace)
    stubborn = [p for p in stopping if p.send(signal.SIGKILL)]
    wait_gone(stubborn, 10)
    for process in processes:
        if process.pid() is None:
            process.record.unlink(missing_ok=True)
    return [p.name for p in stubborn]


def wait_gone(processes, seconds):
    deadline = time.monotonic() + seconds
    for pid in filter(None, [p.pid() for p in processes]):
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            select.select([handle], [], [], max(0, deadline - time.monotonic()))  # readable once it has ended
        finally:
            os.close(handle)


def port_is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose_port(preferred, taken):
    """The preferred port or the next free one above it that is not in `taken`."""
    for port in range(preferred, preferred + 500):
        if port not in taken and port_is_free(port):
            taken.add(port)
            return port
    raise ClusterError(f"no free port on 127.0.0.1 from {preferred} on")


def ask(port, text, seconds=1.0):
    """Sends a line to a loopback port and returns all that is answered; empty if nobody answers."""
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
            connection.sendall(text)
            while select.select([connection], [], [], seconds)[0]:
                part = connection.recv(65536)
                if not part:
                    break
                answer += part
    except OSError:
        pass
    return answer.decode(errors="replace")
