# The audit's speed and memory on real wheels, beside what people use instead, in one run and on the same files:
# abi3audit, which looks at the symbols of each module, importing each module in a free-threaded CPython, and unzip, for
# what a wheel takes that is only unpacked. Prints rows as the other benchmarks do (rows.hpp). Nothing else should run
# meanwhile.
#
# SPDX-License-Identifier: MIT
import argparse
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from statistics import median

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.dont_write_bytecode = True  # the tree stays as it is
sys.path[:0] = [str(ROOT / "tests" / "corpus"), str(ROOT / "tests" / "audit" / "oracle")]
import interpreter as judges  # noqa: E402
import wheels  # noqa: E402

MODULES, MEAN = 800, 331_250  # bytes, as in 800 modules of Debian trixie: a few huge ones are not what is measured
WHEEL = "numpy-2.4.6-cp313-cp313t-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl"
ABI3AUDIT = "abi3audit==0.0.26"
IMPORTS = 60  # modules that are imported, evenly spread: all of them take minutes
LARGE = 200_000_000  # bytes of the large wheel: as many as PyPI and the index of PyTorch have in one
SLOW = 10  # seconds: what takes longer runs once


class Rows:
    """As interlock::bench::Rows."""

    def __init__(self, file: str | None):
        self._json = open(file, "a", encoding="utf-8") if file else None

    def add(self, what: str, value: float, unit: str, against: str = "", reference: float | None = None,
            at_most: float | None = None, ratio_at_most: float | None = None) -> None:
        compared, ratio = "", ""
        if reference is not None:
            compared, ratio = f"{against} {number(reference)} {unit}", f"{number(value / reference)}x"
        target, met = "", ""
        if at_most is not None:
            target, met = f"<= {number(at_most)} {unit}", "met" if value <= at_most else "NOT MET"
        if reference is not None and ratio_at_most is not None:
            target, met = f"<= {number(ratio_at_most)}x", "met" if value / reference <= ratio_at_most else "NOT MET"
        print(f"{what:<52} {number(value) + ' ' + unit:>13}  {compared:<48} {ratio:>7}  {target:<10} {met}", flush=True)
        if self._json is None:
            return
        row: dict = {"what": what, "value": value, "unit": unit}
        if reference is not None:
            row |= {"against": against, "reference": reference, "ratio": value / reference}
        if target:
            row |= {"target": target, "met": met == "met"}
        self._json.write(json.dumps(row) + "\n")
        self._json.flush()


def number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 1000 else f"{value:.0f}"


def run(command: list[str], stdin: str = "", may_fail: bool = False, cores: set[int] | None = None) -> float:
    """The seconds that it takes, on these cores."""
    with tempfile.TemporaryFile("w+") as given, tempfile.TemporaryFile("w+") as errors:
        given.write(stdin)
        given.seek(0)
        begin = time.perf_counter()
        child = subprocess.Popen(command, stdin=given, stdout=subprocess.DEVNULL, stderr=errors,
                                 preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None)
        child.wait()
        seconds = time.perf_counter() - begin
        if not may_fail and child.returncode not in (0, 1):  # 1: there were findings
            errors.seek(0)
            raise SystemExit(f"{' '.join(command[:4])} ... ended with status {child.returncode}:\n{errors.read()}")
        return seconds


def descendants(process: int) -> list[int]:
    found = [process]
    for parent in found:
        with contextlib.suppress(OSError):  # it has ended
            for task in os.listdir(f"/proc/{parent}/task"):
                found += map(int, pathlib.Path(f"/proc/{parent}/task/{task}/children").read_text().split())
    return found


def proportional(process: int) -> int:
    """Bytes of memory; of what is shared its part."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def megabytes(command: list[str], stdin: str = "") -> float:
    """The most that the command and the processes that it starts have together, looked at every few milliseconds."""
    most = 0
    with tempfile.TemporaryFile("w+") as given:
        given.write(stdin)
        given.seek(0)
        child = subprocess.Popen(command, stdin=given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while child.poll() is None:
            most = max(most, sum(map(proportional, descendants(child.pid))))
            time.sleep(0.005)
    return most / 1e6


def alternate(repetitions: int, *commands) -> list[list[float]]:
    """Each of them once before, so that files are in memory; then in turns, so that a busy spell hits all alike."""
    before = [command() for command in commands]
    results = [[seconds] if seconds > SLOW else [] for seconds in before]
    for _ in range(repetitions):
        for command, first, runs in zip(commands, before, results):
            if first <= SLOW:
                runs.append(command())
    return results


def has(path: pathlib.Path, symbol: bytes) -> bool:
    """Whether the name is among the symbols of a file, without having all of it in memory."""
    wanted = b"\0" + symbol + b"\0"
    with open(path, "rb") as file:
        rest = b""
        while block := file.read(1 << 20):
            if wanted in rest + block:
                return True
            rest = block[-len(wanted):]
    return False


def abi3audit() -> str | None:
    """Installed into the cache, once. None where it cannot be had."""
    folder = wheels.cache() / ABI3AUDIT.replace("==", "-")
    program = folder / "bin" / "abi3audit"
    if program.exists():
        return str(program)
    print(f"installing {ABI3AUDIT} into {folder}", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was interrupted
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run([str(folder / "bin" / "pip"), "install", "--quiet", "--no-cache-dir", ABI3AUDIT])
    return str(program) if done.returncode == 0 else None


def for_linux(chosen: list[wheels.Wheel]) -> list[wheels.Wheel]:
    return [wheel for wheel in chosen if not wheel.support
            and any(tag.startswith("manylinux") and tag.endswith("x86_64") for tag in wheel.tags[2])]


def large_wheel(folder: str, chosen: list[wheels.Wheel]) -> str:
    """The libraries of the corpus in one wheel, the same in each run."""
    path = os.path.join(folder, "large-1-cp313-cp313t-manylinux_2_28_x86_64.whl")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for wheel in sorted(for_linux(chosen), key=lambda one: one.file):
            with zipfile.ZipFile(wheel.path) as source:
                for member in source.infolist():
                    if ".so" not in pathlib.PurePath(member.filename).suffixes:
                        continue
                    copy = zipfile.ZipInfo(f"{wheel.file.removesuffix('.whl')}/{member.filename}")
                    copy.compress_type, copy.file_size = zipfile.ZIP_DEFLATED, member.file_size
                    with source.open(member) as content, archive.open(copy, "w") as target:
                        shutil.copyfileobj(content, target, 1 << 20)
                    if archive.fp.tell() >= LARGE:
                        return path
    return path


def linux_modules(chosen: list[wheels.Wheel]) -> list[tuple[wheels.Wheel, str]]:
    """Extension modules for x86-64 Linux."""
    found = []
    for wheel in for_linux(chosen):
        folder = judges.unpacked(wheel)
        for path in sorted(folder.rglob("*.so")):
            if has(path, b"PyInit_" + path.name.partition(".")[0].encode()):
                found.append((wheel, str(path)))
    found.sort(key=lambda one: os.path.getsize(one[1]))
    total = sum(os.path.getsize(path) for _, path in found)
    while total > MEAN * len(found):
        total -= os.path.getsize(found.pop()[1])
    return [found[i * len(found) // MODULES] for i in range(MODULES)] if len(found) > MODULES else found


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures `interlock audit` on the wheels of the corpus.")
    parser.add_argument("interlock", metavar="INTERLOCK", help="a release build, such as build/bench/bin/interlock")
    parser.add_argument("--json", metavar="FILE", help="each row also as a line of JSON, appended to FILE")
    parser.add_argument("--repetitions", metavar="N", type=int, default=5)
    options = parser.parse_args()
    rows = Rows(options.json)
    repetitions = options.repetitions

    starts, bare = alternate(4 * repetitions, lambda: run([options.interlock, "--version"]), lambda: run(["/bin/true"]))
    rows.add("start-up: interlock --version", 1e3 * median(starts), "ms", "/bin/true", 1e3 * median(bare), 20)

    pinned = wheels.pinned()
    if not all(wheel.path.exists() for wheel in pinned):
        print(f"audit: the corpus is not in {wheels.folder()}; run scripts/corpus.sh", file=sys.stderr)
        return 1 if wheels.required() else wheels.SKIPPED
    script = ROOT / "scripts" / "freethreaded-python.sh"
    found = subprocess.run([script, "--print-only", "--version", "3.13"], stdout=subprocess.PIPE, text=True)
    if found.returncode != 0:
        return 1 if wheels.required() else wheels.SKIPPED
    python = found.stdout.strip()
    judge = judges.Interpreter(python, os.cpu_count())

    modules = linux_modules(pinned)
    files = [path for _, path in modules]
    size = sum(os.path.getsize(path) for path in files) / 1e6
    other = abi3audit()

    def audit(paths: list[str]):
        listed = "".join(f"{path}\n" for path in paths)
        return [options.interlock, "audit", "--format", "json", "-"], listed

    def reference(paths: list[str]):
        # Its other verdicts need an ABI to compare with; any does.
        return [other, "--assume-minimum-abi3", "3.13", *paths], ""

    def timed(command: tuple[list[str], str]):
        return lambda: run(*command)

    what = f"audit: {len(files)} x86-64 modules, {size:.0f} MB, warm"
    if other is None:
        [ours] = alternate(repetitions, timed(audit(files)))
        rows.add(what, median(ours), "s", at_most=2)
        rows.add("  its peak memory", megabytes(*audit(files)), "MB", at_most=300)
    else:
        ours, theirs = alternate(repetitions, timed(audit(files)), timed(reference(files)))
        rows.add(what, median(ours), "s", ABI3AUDIT, median(theirs), 2)
        rows.add("  its peak memory", megabytes(*audit(files)), "MB", ABI3AUDIT, megabytes(*reference(files)), 300)

    wheel = next(one for one in pinned if one.file == WHEEL)
    members = [str(judges.unpacked(wheel) / member.path) for member in judge.members(wheel)]
    whole = [options.interlock, "audit", "--format", "json", str(wheel.path)], ""
    what = f"audit: a wheel of {wheel.size / 1e6:.0f} MB ({wheel.name} {wheel.version})"
    if other is None:
        [ours] = alternate(repetitions, timed(whole))
        rows.add(what, median(ours), "s", at_most=0.3)
    else:
        # It does not open wheels without an abi3 tag: it gets the files of this one.
        ours, theirs = alternate(repetitions, timed(whole), timed(reference(members)))
        rows.add(what, median(ours), "s", f"{ABI3AUDIT}, unpacked", median(theirs), 0.3)

    unzip = shutil.which("unzip")
    if unzip is None:
        print("audit: unzip is not installed: nothing to compare a large wheel with", file=sys.stderr)
    else:
        cores = sorted(os.sched_getaffinity(0))
        with tempfile.TemporaryDirectory() as folder:
            large = large_wheel(folder, pinned)
            command, test = [options.interlock, "audit", "--format", "json", large], [unzip, "-tqq", large]
            for some, text, most in [(cores[:1], "one core", 1.5), (cores[:2], "two cores", 0.8)]:
                if text == "two cores" and len(some) < 2:
                    continue
                ours, theirs = alternate(repetitions, lambda: run(command, cores=set(some)),
                                         lambda: run(test, cores=set(some)))
                rows.add(f"audit: a wheel of {os.path.getsize(large) / 1e6:.0f} MB, {text}", median(ours), "s",
                         "unzip -t", median(theirs), ratio_at_most=most)

    everything = [str(one.path) for one in pinned]
    size = sum(one.size for one in pinned) / 1e6
    rows.add(f"audit: {len(pinned)} wheels, {size:.0f} MB, its peak memory", megabytes(*audit(everything)), "MB",
             at_most=300)

    importable = [(owner, path) for owner, path in modules if judge.runs(owner)]
    sample = importable[:: max(1, len(importable) // IMPORTS)]
    requirements = judges.Requirements([one for one in pinned if judge.runs(one) or one.support])

    def import_each() -> float:
        results = []
        for owner, path in sample:
            folders = [str(judges.unpacked(one)) for one in requirements.of(owner)]
            member = os.path.relpath(path, folders[0])
            name = judges.dotted_name(member, judges.module_suffix(member))
            code = f"import sys; sys.path[:0] = {folders!r}; import {name}, os; os._exit(0)"
            results.append(run([python, "-I", "-S", "-c", code], may_fail=True))
        return sum(results)

    ours, imports = alternate(repetitions, timed(audit([path for _, path in sample])), import_each)
    rows.add(f"audit: {len(sample)} modules of CPython 3.13t", median(ours), "s", "importing each in a new process",
             median(imports))
    return 0


if __name__ == "__main__":
    sys.exit(main())
