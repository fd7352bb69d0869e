"""Plants one violation at a time in a small tree: the layer check must name each of them, and pass a clean tree."""

import tempfile
import unittest
from pathlib import Path

from layers import Checker

CLEAN = {
    "base/result.h": "#include <expected>\n",
    "base/asio_loop.h": '#include <boost/asio/io_context.hpp>\n#include "base/result.h"\n',
    "rpc/links.h": '#include "base/result.h"\n',
    "rpc/codec.cc": '#include "rpc/proto/node.pb.h"\n',
    "sql/pg_connection.h": "#include <libpq-fe.h>\n",
    "registry/zookeeper_registry.cc": "#include <zookeeper/zookeeper.h>\n",
    "master/lane_core.h": '#include "base/result.h"\n// steady_clock is not read here\n',
    "master/lane_core.cc": '#include "master/lane_core.h"\n',
    "master/node.cc": '#include "master/lane_core.h"\n#include "rpc/links.h"\n#include "sql/pg_connection.h"\n',
    "worker/main.cc": '#include "worker/node.h"\n',
    "worker/ledger.h": '#include "base/result.h"\n',
    "ctl/main.cc": '#include "client/client.h"\n',
    "client/client.h": '#include "rpc/links.h"\n',
    "sdk/include/ringmaster/task.h": '#include <string>\n#include "ringmaster/result.h"\n',
    "sdk/worker.cc": '#include "ringmaster/task.h"\n#include "worker/node.h"\n#include "client/client.h"\n',
    "examples/count/count.h": "#include <ringmaster/task.h>\n",
    "examples/count/main.cc": '#include <vector>\n#include "count.h"\n',
}


def violations_of(extra):
    with tempfile.TemporaryDirectory() as root:
        for name, text in {**CLEAN, **extra}.items():
            path = Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Checker(Path(root)).check()


class Layers(unittest.TestCase):
    def refuses(self, name, text, expected):
        found = violations_of({name: text})
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].startswith(name + ":"), found)
        self.assertIn(expected, found[0])

    def test_a_clean_tree_passes(self):
        self.assertEqual(violations_of({}), [])

    def test_base_includes_nothing_above_it(self):
        self.refuses("base/time.cc", '#include "rpc/links.h"\n', "base/ must not include rpc/")

    def test_siblings_never_include_each_other(self):
        self.refuses("rpc/x.cc", '#include "sql/task_store.h"\n', "rpc/ must not include sql/")
        self.refuses("master/x.cc", '#include "worker/node.h"\n', "master/ must not include worker/")
        self.refuses("worker/x.cc", '#include "master/node.h"\n', "worker/ must not include master/")
        self.refuses("client/x.cc", '#include "ctl/table.h"\n', "client/ must not include ctl/")

    def test_what_others_compile_needs_the_sdk_alone(self):
        self.refuses("sdk/include/ringmaster/x.h", '#include "base/result.h"\n', "see the standard library and the SDK")
        self.refuses("sdk/include/ringmaster/y.h", "#include <boost/asio.hpp>\n", "see the standard library")
        self.refuses("examples/count/x.cc", '#include "client/client.h"\n', "see the standard library")
        self.refuses("sdk/x.cc", '#include "master/node.h"\n', "sdk/ must not include master/")

    def test_a_library_stays_in_its_folder(self):
        self.refuses("master/x.cc", "#include <libpq-fe.h>\n", "stays inside sql/")
        self.refuses("master/y.cc", "#include <zookeeper/zookeeper.h>\n", "stays inside registry/")
        self.refuses("worker/x.cc", '#include "rpc/proto/node.pb.h"\n', "stays inside rpc/")

    def test_pure_code_sees_no_io(self):
        self.refuses("master/lane_core.cc", "#include <boost/asio.hpp>\n", "pure code must not see")
        self.refuses("worker/ledger.cc", "#include <thread>\n", "pure code must not see")
        self.refuses("worker/credits.cc", '#include "rpc/links.h"\n', "pure code must not include rpc/")
        self.refuses("master/shard_table.h", '#include "master/node.h"\n', "pure code must not include master/node.h")
        self.refuses("master/core.cc", '#include "base/asio_loop.h"\n', "through base/asio_loop.h")

    def test_pure_code_reads_no_clock(self):
        self.refuses("worker/ledger.cc", "auto t = std::chrono::steady_clock::now();\n", "steady_clock")

    def test_names_say_something(self):
        self.refuses("base/string_util.h", "\n", "says nothing")
        self.refuses("tests/helpers/x.cc", "\n", "says nothing")

    def test_unfinished_work_is_not_committed(self):
        self.refuses("docs/store.md", "later " + "TO" + "DO\n", "unfinished")


if __name__ == "__main__":
    unittest.main()
