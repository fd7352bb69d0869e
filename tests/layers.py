"""Checks the house rules that a compiler does not: which way an #include may point, what pure code may see, names.

Run it from anywhere: `layers.py [root]`. Prints one line for each violation and exits with 1 if there is any.
"""

import re
import subprocess
import sys
from pathlib import Path

BELOW = {
    "base": set(),
    "rpc": {"base"},
    "registry": {"base"},
    "sql": {"base"},
    "master": {"rpc", "registry", "sql", "base"},
    "worker": {"rpc", "registry", "sql", "base"},
    "standalone": {"master", "worker", "rpc", "registry", "sql", "base"},
    "client": {"rpc", "registry", "sql", "base"},
    "ctl": {"client", "rpc", "registry", "sql", "base"},
    "sdk": {"client", "worker", "rpc", "registry", "base"},
}
# Headers of one library stay in the folder that wraps it.
OWNED_HEADERS = [
    (re.compile(r"^(postgresql/)?libpq-(fe|events)\.h$"), "sql"),
    (re.compile(r"^(zookeeper/)?zookeeper(_version|_log)?\.h$"), "registry"),
    (re.compile(r"\.pb\.h$|^google/protobuf/"), "rpc"),
]
# What others compile must not need our sources, or a library that they may not have.
PUBLIC_HEADERS = Path("sdk/include")
EXAMPLES = Path("examples")
PUBLIC_INCLUDE = re.compile(r"^([a-z_0-9]+|ringmaster/\w+\.h)$")
PURE_FILE = re.compile(r"^(\w*_)?core(_\w+)?\.(h|cc)$|^(lane|ledger|credits|shard_table)\w*\.(h|cc)$")
IMPURE_HEADER = re.compile(
    r"^boost/(asio|beast)|^(thread|mutex|condition_variable|future|atomic|fstream|filesystem|unistd\.h|poll\.h)$"
    r"|^(sys|netinet|arpa)/"
)
IMPURE_WORD = re.compile(
    r"\b((steady|system|high_resolution)_clock|read_(mono|wall)_clock|random_device|clock_gettime|getenv)\b"
)
VAGUE_NAME = re.compile(r"^(\w+_)?(util|utils|helper|helpers|common|misc)(_\w+)?$")
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
TEXT_SUFFIXES = {".h", ".cc", ".proto", ".sql", ".py", ".sh", ".md", ".txt", ".json", ".yaml", ".service", ""}


def tree_files(root):
    """Every file that is or could be committed; all files where there is no git."""
    listing = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-co", "--exclude-standard", "-z"], capture_output=True, text=True
    )
    if listing.returncode == 0:
        paths = [Path(name) for name in listing.stdout.split("\0") if name]
    else:
        skipped = {".git", ".state", "build", "__pycache__"}
        paths = [p.relative_to(root) for p in root.rglob("*") if not skipped & set(p.relative_to(root).parts)]
    return sorted(p for p in paths if (root / p).is_file())


def layer_of(path):
    return path.parts[0] if len(path.parts) > 1 and path.parts[0] in BELOW else None


def is_pure(path):
    return layer_of(path) in ("master", "worker") and PURE_FILE.match(path.name) is not None


def includes_of(text):
    """(line, is quoted, what) for each #include."""
    return [(text.count("\n", 0, m.start(1)) + 1, m[1] == '"', m[2]) for m in INCLUDE.finditer(text)]


def without_comments(text):
    return re.sub(r"//[^\n]*|/\*.*?\*/", lambda m: "\n" * m[0].count("\n"), text, flags=re.DOTALL)


class Checker:
    def __init__(self, root):
        self.root = root
        self.files = tree_files(root)
        self.texts = {}
        self.violations = []

    def read(self, path):
        if path not in self.texts:
            self.texts[path] = (self.root / path).read_text(encoding="utf-8", errors="replace")
        return self.texts[path]

    def report(self, path, line, message):
        self.violations.append(f"{path}:{line}: {message}")

    def check(self):
        for path in self.files:
            self.check_name(path)
            if path.suffix in TEXT_SUFFIXES:
                for number, line in enumerate(self.read(path).splitlines(), 1):
                    if UNFINISHED.search(line):
                        self.report(path, number, "unfinished work is not committed: do it or open an issue")
            if path.suffix in (".h", ".cc") and layer_of(path):
                self.check_direction(path)
                if is_pure(path):
                    self.check_purity(path)
            if path.suffix in (".h", ".cc") and (PUBLIC_HEADERS in path.parents or EXAMPLES in path.parents):
                self.check_public(path)
        return self.violations

    def check_name(self, path):
        for part in [*path.parts[:-1], path.name.split(".")[0]]:
            if VAGUE_NAME.match(part):
                self.report(path, 1, f"'{part}' says nothing about its subject")

    def check_direction(self, path):
        layer = layer_of(path)
        for line, _, target in includes_of(self.read(path)):
            for pattern, owner in OWNED_HEADERS:
                if pattern.search(target) and layer != owner:
                    self.report(path, line, f"{target} stays inside {owner}/")
            other = layer_of(Path(target))
            if path.name == "main.cc" or other is None or other == layer:
                continue
            if other not in BELOW[layer]:
                self.report(path, line, f"{layer}/ must not include {other}/: includes point down only")

    def check_public(self, path):
        for line, quoted, target in includes_of(self.read(path)):
            beside = quoted and EXAMPLES in path.parents and (self.root / path.parent / target).is_file()
            if not beside and not PUBLIC_INCLUDE.match(target):
                self.report(path, line, f"{target}: the SDK and its examples see the standard library and the SDK")

    def check_purity(self, path):
        """A pure file sees base/ and the pure files beside it, and nothing that they see does I/O."""
        for line, quoted, target in includes_of(self.read(path)):
            if quoted and layer_of(Path(target)) not in (None, "base") and not is_pure(Path(target)):
                self.report(path, line, f"pure code must not include {target}")
        chain = {path: None}
        waiting = [path]
        while waiting:
            at = waiting.pop()
            for line, quoted, target in includes_of(self.read(at)):
                if IMPURE_HEADER.match(target):
                    via = "" if at == path else f" (through {at})"
                    self.report(path, line if at == path else 1, f"pure code must not see <{target}>{via}")
                if quoted and Path(target) not in chain and (self.root / target).is_file():
                    chain[Path(target)] = at
                    waiting.append(Path(target))
        for number, line in enumerate(without_comments(self.read(path)).splitlines(), 1):
            if found := IMPURE_WORD.search(line):
                self.report(path, number, f"pure code is told the time and the seed: no {found[0]}")


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    checker = Checker(root)
    violations = checker.check()
    for violation in violations:
        print(violation)
    if not checker.files:
        print(f"{root}: nothing to check")
    return 1 if violations or not checker.files else 0


if __name__ == "__main__":
    sys.exit(main())
