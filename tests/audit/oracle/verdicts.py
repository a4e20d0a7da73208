# The verdicts of `interlock audit` on the corpus, and what the tests that hold them against something have in common.
# Run as a program it audits all pinned wheels and writes the report to a file, from which those tests take it: one
# audit for all of them.
#
# SPDX-License-Identifier: MIT
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.dont_write_bytecode = True  # the tree stays as it is
sys.path.insert(0, str(ROOT / "tests" / "corpus"))
import wheels  # noqa: E402

AGREED, DISAGREED, UNDETERMINED = "agreed", "disagreed", "undetermined"

# By wheel and member: what is said of the module that an import finds, once for each slice of the file.
Verdicts = dict[tuple[str, str], list[dict]]


class Table:
    """Outcomes counted by row."""

    def __init__(self, title: str, columns: list[str]):
        self.title, self.columns = title, columns
        self.rows: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
        self.problems: list[str] = []

    def add(self, row: str, outcome: str) -> None:
        self.rows[row][outcome] += 1

    @property
    def total(self) -> collections.Counter:
        return sum(self.rows.values(), collections.Counter())

    def print(self, totals: bool = False) -> None:
        lines = [*([] if totals else self.rows.items()), ("total", self.total)]
        width = max(len(self.title), *(len(name) for name, _ in lines))
        print(f"{self.title:{width}}  {'  '.join(self.columns)}")
        for name, counts in lines:
            print(f"{name:{width}}  " + "  ".join(f"{counts[one] or '-':>{len(one)}}" for one in self.columns))
        for problem in self.problems:
            print(problem)
        print(flush=True)

    def passed(self, of: int, limit: float) -> bool:
        return not self.total[DISAGREED] and self.total[UNDETERMINED] < max(limit * of, 1)


def audit(command: str, chosen: list[wheels.Wheel]) -> dict:
    """The report. A file that is refused is in it as an error."""
    done = subprocess.run([command, "audit", "--format", "json", *(str(wheel.path) for wheel in chosen)],
                          capture_output=True, text=True)
    if done.returncode not in (0, 1, 3):  # clean, with findings, or with files that could not be read
        raise SystemExit(f"'{command} audit' ended with status {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout)


def of_corpus(command: str, file: str | None) -> dict:
    """The report on all pinned wheels: from the file that this program wrote, or made now."""
    if file is not None:
        return json.loads(pathlib.Path(file).read_text(encoding="utf-8"))
    return audit(command, [wheel for wheel in wheels.pinned() if not wheel.support])


def place(path: str) -> tuple[str, str]:
    """Of a path in the report: wheel and member."""
    wheel, _, member = path.partition("!")
    return os.path.basename(wheel), member


def by_member(report: dict) -> Verdicts:
    verdicts: Verdicts = {}
    for binary in report["binaries"]:
        modules = [module for module in binary["modules"] if module["primary"]]
        verdicts.setdefault(place(binary["path"]), []).extend(modules)
    return verdicts


def said(modules: list[dict] | None) -> str:
    return "; ".join(f"{one['verdict']} ({one['reason']})" for one in modules or []) or "nothing"


def skip(reason: str) -> int:
    print(f"audit oracle: {reason}", file=sys.stderr)
    return 1 if wheels.required() else wheels.SKIPPED


def missing_wheels(jobs: int) -> str:
    """Empty when all are there; else the reason for a skip."""
    pinned = wheels.pinned()
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        missing = [wheel for wheel, there in zip(pinned, pool.map(wheels.Wheel.is_there, pinned)) if not there]
    return f"{len(missing)} of {len(pinned)} wheels are not in {wheels.folder()}; run scripts/corpus.sh" if missing else ""


def main() -> int:
    parser = argparse.ArgumentParser(description="Audits all pinned wheels, for the tests that compare the verdicts.")
    parser.add_argument("interlock", metavar="INTERLOCK", help="the command, such as build/release/bin/interlock")
    parser.add_argument("file", metavar="FILE", help="where the report is written to")
    options = parser.parse_args()
    file = pathlib.Path(options.file)
    file.unlink(missing_ok=True)
    reason = missing_wheels(os.cpu_count() or 1)
    if reason:
        return skip(reason)
    report = of_corpus(options.interlock, None)
    file.write_text(json.dumps(report), encoding="utf-8")
    summary = collections.Counter(module["verdict"] for modules in by_member(report).values() for module in modules)
    print(", ".join(f"{count} {verdict}" for verdict, count in summary.most_common()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
