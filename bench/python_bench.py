# The host for CPython beside plain CPython, in one run and by the same interpreter: imports while other threads work,
# the fallback, and what it costs to start. Prints rows as the other benchmarks do (rows.hpp). Nothing else should run
# meanwhile.
#
# SPDX-License-Identifier: MIT
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from statistics import median

sys.dont_write_bytecode = True  # the tree stays as it is
from audit_bench import ROOT, Rows, alternate, run  # noqa: E402

sys.path.insert(0, str(ROOT / "scripts"))
import bare_modules  # noqa: E402

IMPORTS = 20  # modules that one process imports, one after the other
BUSY = (0, 2, 8)

# Imports the modules while threads work, and prints how long each import took, in seconds.
PROGRAM = """
import json, sys, threading, time
folder, busy, names = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
sys.path.insert(0, folder)
stop, rounds = False, [0] * busy
def work(which):
    number = 0
    while not stop:
        for _ in range(1000):
            number = (number * 31 + 7) & 0xffff
        rounds[which] += 1
threads = [threading.Thread(target=work, args=(which,)) for which in range(busy)]
for thread in threads:
    thread.start()
def all_busy():
    # Who was stopped for the last import, and only waits for a processor, would not have to be stopped for this one.
    before = list(rounds)
    while any(now <= then for now, then in zip(rounds, before)):
        time.sleep(0.001)
before = sys._is_gil_enabled()
times = []
for name in names:
    all_busy()
    start = time.perf_counter()
    __import__(name)
    times.append(time.perf_counter() - start)
stop = True
for thread in threads:
    thread.join()
print(json.dumps([before, sys._is_gil_enabled(), times]))
"""


class Bench:
    def __init__(self, python: str, folder: pathlib.Path, repetitions: int):
        self.python, self.folder, self.repetitions = python, folder, repetitions
        self.program = folder / "program.py"
        self.program.write_text(PROGRAM)

    def imports(self, host: list[str], busy: int, names: list[str], turns_on: bool) -> list[float]:
        command = [self.python, *host, str(self.program), str(self.folder), str(busy), *names]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command[:4])} ... ended with status {done.returncode}:\n{done.stderr}")
        before, after, times = json.loads(done.stdout)
        if before or after != turns_on:
            raise SystemExit(f"the GIL was {before} before and {after} after the imports, which is not what is "
                             "measured")
        return times

    def both(self, busy: int, names: list[str], turns_on: bool = False) -> tuple[float, float]:
        """Medians in milliseconds: under interlock, and plain. In turns, so that a busy spell hits both."""
        ours: list[float] = []
        plain: list[float] = []
        # A process that turns the GIL on does so once, and how long all threads take to stop differs much.
        for turn in range((3 if turns_on else 1) * self.repetitions + 1):
            one = self.imports(["-m", "interlock"], busy, names, turns_on)
            other = self.imports([], busy, names, turns_on)
            if turn > 0:  # the first one reads files, and judges what has never been seen
                ours += one
                plain += other
        return 1e3 * median(ours), 1e3 * median(plain)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures `python -m interlock` beside plain CPython.")
    parser.add_argument("python", metavar="PYTHON", help="a free-threaded interpreter that has interlock installed")
    parser.add_argument("--json", metavar="FILE", help="each row also as a line of JSON, appended to FILE")
    parser.add_argument("--repetitions", metavar="N", type=int, default=10)
    options = parser.parse_args()
    for name in ("PYTHON_GIL", "INTERLOCK_POLICY"):
        os.environ.pop(name, None)
    rows = Rows(options.json)
    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as scratch:
        folder = pathlib.Path(scratch)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        marked = [f"marked{i}" for i in range(IMPORTS)]
        bare_modules.build(options.python, folder, marked, ["unmarked"])
        bench = Bench(options.python, folder, options.repetitions)
        plain = "plain CPython"

        first = bench.imports(["-m", "interlock"], 0, marked, False)
        rows.add("python: a marked module that was never seen", 1e3 * median(first), "ms")
        for busy in BUSY:
            ours, reference = bench.both(busy, marked)
            at_most = {0: 1.3 * reference, 8: reference / 50}.get(busy)
            rows.add(f"python: import of a marked module, {busy} busy threads", ours, "ms", plain, reference, at_most)
        ours, reference = bench.both(8, ["unmarked"], True)
        rows.add("python: fallback import with its warning, 8 busy threads", ours, "ms", plain, reference,
                 reference / 10)

        commands = [[options.python, "-m", "interlock", "-c", "pass"], [options.python, "-c", "pass"]]
        ours_runs, plain_runs = alternate(4 * options.repetitions, *[lambda one=one: run(one) for one in commands])
        ours, reference = 1e3 * median(ours_runs), 1e3 * median(plain_runs)
        rows.add("python: start-up of python -m interlock -c pass", ours, "ms", "python -c pass", reference,
                 reference + 30)
    return 0


if __name__ == "__main__":
    sys.exit(main())
