"""Prints the members of a cluster as another ZooKeeper client sees them: read_members.py <hosts> <cluster>."""

import json
import sys

from kazoo.client import KazooClient

hosts, cluster = sys.argv[1:]
client = KazooClient(hosts=hosts)
client.start(timeout=20)
for membership in ("masters", "workers"):
    parent = f"/ringmaster/{cluster}/{membership}"
    for name in sorted(client.get_children(parent)):
        data, stat = client.get(f"{parent}/{name}")
        member = json.loads(data)
        if stat.ephemeralOwner == 0 or member["id"] != name:
            sys.exit(f"{parent}/{name} is not a member's node")
        fields = " ".join(f"{key}={member[key]}" for key in sorted(member))
        print(f"{membership}/{name} {fields}")
client.stop()
