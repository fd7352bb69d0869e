"""Prints one closing line: how many test cases passed, failed and were skipped.

Reads ctest's JUnit file, which knows every program, and the gtest XML files beside it, which know the cases. A program
that left no XML (a script, or a crash) counts as one case.
"""

import sys
import xml.etree.ElementTree as xml
from pathlib import Path


def count_cases(report):
    passed = failed = skipped = 0
    for case in xml.parse(report).getroot().iter("testcase"):
        if case.get("status") == "notrun":  # disabled, or filtered out
            continue
        if case.find("failure") is not None:
            failed += 1
        elif case.find("skipped") is not None or case.get("result") == "skipped":
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def main(results):
    passed = failed = skipped = programs = 0
    broken = []
    seconds = 0.0
    for program in xml.parse(results / "ctest.junit").getroot().iter("testcase"):
        programs += 1
        seconds += float(program.get("time", 0))
        succeeded = program.get("status") == "run"
        reports = list(results.glob(program.get("name") + "_tests.xml"))
        counts = count_cases(reports[0]) if reports else (1, 0, 0) if succeeded else (0, 1, 0)
        if not succeeded:
            broken.append(program.get("name"))
            if counts[1] == 0:  # it failed outside any case: a crash on exit, a leak, a time-out
                counts = (counts[0], 1, counts[2])
        passed, failed, skipped = passed + counts[0], failed + counts[1], skipped + counts[2]
    if broken:
        print("failed programs: " + " ".join(sorted(broken)))
    print(f"{passed} tests passed, {failed} failed, {skipped} skipped ({programs} programs, {seconds:.0f} s)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
