"""`ringmaster standalone` on this machine, as the demo needs it: the same face as a cluster's, one process beneath."""

import shutil

from cluster import Cluster, is_ready
from processes import choose_port, stop_all

DATA_FOLDER = "data"
STOP_SECONDS = 60


class Standalone(Cluster):
    def __init__(self, name):
        super().__init__(name)
        # Where the user postgres can get to, when this runs as root.
        self.data = self.postgres.choose_home(DATA_FOLDER)
        self.postgres.database = "postgres"
        self.postgres.home = self.data / "postgres" / "socket"

    def ctl(self, *arguments):
        return [str(self.program("ringctl")), "--address", f"127.0.0.1:{self.plan['rpc']}", *arguments]

    def up(self, slots, preset):
        taken = set()
        self.plan = {"preset": preset, "rpc": choose_port(7420, taken), "http": choose_port(7480, taken)}
        process = self.process("standalone")
        command = [
            self.program("ringmaster"), "standalone", "--data", self.data, "--slots", slots,
            "--listen", f"127.0.0.1:{self.plan['rpc']}", "--http-listen", f"127.0.0.1:{self.plan['http']}",
        ]  # fmt: skip
        process.start([str(part) for part in command])
        process.wait_ready(lambda: is_ready(self.plan["http"]), 60)
        process.wait_ready(self.every_shard_is_owned, 60)
        print(f"  rpc 127.0.0.1:{self.plan['rpc']}, http 127.0.0.1:{self.plan['http']}, {slots} slots"
              f" (pid {process.pid()}); its data: {self.data}")  # fmt: skip

    def down(self, wipe=False):
        process = self.process("standalone")
        running = [process.name] if process.pid() else []
        killed = stop_all([process], STOP_SECONDS)
        if wipe:
            shutil.rmtree(self.data, ignore_errors=True)
            super().down(wipe=True)
        return running, killed
