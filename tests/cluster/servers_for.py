"""Runs a program with a fresh private PostgreSQL and ZooKeeper, named by --database and --zookeeper, then stops them."""

import contextlib
import signal
import subprocess
import sys

from cluster import Cluster, forget_other_clusters
from processes import ClusterError


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.stdout.reconfigure(line_buffering=True)
    forget_other_clusters()
    cluster = Cluster("bench")
    try:
        with cluster.locked():
            try:
                cluster.down(wipe=True)  # what an interrupted run left behind
                cluster.make_plan(masters=0, workers=0, slots=0, preset="release")
                with contextlib.redirect_stdout(sys.stderr):  # what the program prints may be for programs
                    cluster.up_servers()
                servers = ["--database", cluster.postgres.conninfo(), "--zookeeper", cluster.zookeeper().address()]
                return subprocess.run([*sys.argv[1:], *servers], check=False).returncode
            finally:
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would leave them running
                cluster.down(wipe=True)
    except ClusterError as error:
        print(f"dev bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
