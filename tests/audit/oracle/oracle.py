# Compares what `interlock audit` says of the real wheels in tests/corpus/wheels.json with what happens when a
# free-threaded CPython imports their extension modules. Verdicts are computed anew each time.
#
# A module cannot be imported here when its wheel is for another kind of machine. Where the interpreter has judged the
# same module of the same version, the verdicts on its other files have to be the same: that is the second table.
#
# SPDX-License-Identifier: MIT
import argparse
import collections
import os
import subprocess
import sys
import time

import verdicts as reports  # noqa: E402; first: it makes the rest importable, and writes no bytecode
from verdicts import AGREED, DISAGREED, ROOT, UNDETERMINED, Table, Verdicts, said, skip  # noqa: E402

import interpreter as judges  # noqa: E402
import wheels  # noqa: E402

UNDETERMINED_LIMIT = 0.002  # of all modules, has to be under it
# For other platforms, where CPython imports nothing. They are few, and not spread as in the whole corpus, whose limits
# are in siblings.py.
KIN_UNDETERMINED_LIMIT = 0.02
# Without an emulator only what is constant in the files is known; whatever is said has to be right all the same.
STATIC_AGREED_LIMIT = 0.6

# A module that was created and could not be executed has shown what it does to the GIL; yet it was not imported.
CREATED, NOT_IMPORTABLE = "created only", "not importable"


def outcome(seen: judges.Seen, modules: list[dict] | None, python: str) -> str:
    if modules is None:
        return DISAGREED  # the file is not even in the report
    if any(module["verdict"] in ("undetermined", "delegated") for module in modules):
        return UNDETERMINED
    if not seen.module:
        # It may have init functions for modules of other names: an import of the file does not find those.
        return AGREED if all(module["verdict"] == "not_a_module" for module in modules) else DISAGREED
    if not modules:
        return DISAGREED
    verdicts = {"free"} if seen.free else {"unmarked", "global_lock"}
    effect = "keeps_gil_off" if seen.free else "turns_gil_on"
    for module in modules:
        effects = {one["effect"] for one in module["effects"] if one["python"] == python}
        if module["verdict"] not in verdicts or effects != {effect}:
            return DISAGREED
    return AGREED


def problem(kind: str, wheel: wheels.Wheel, path: str, seen: judges.Seen, modules: list[dict] | None) -> str:
    if not seen.module:
        happened = "there is no such module in it"
    else:
        happened = "the GIL stays off" if seen.free else "the GIL is turned on"
    return f"{kind}: {wheel.file}!{path}\n    CPython: {happened}\n    audit:   {said(modules)}"


def compare_imported(observed: dict[judges.Member, judges.Seen], verdicts: Verdicts, python: str, how: str) -> Table:
    table = Table(f"{how} by CPython {python}", [AGREED, DISAGREED, UNDETERMINED, CREATED, NOT_IMPORTABLE])
    for member, seen in observed.items():
        row = f"{member.wheel.name} {member.wheel.version}"
        if seen.free is None and seen.module:
            table.add(row, NOT_IMPORTABLE)
            table.problems.append(f"{NOT_IMPORTABLE}: {member.wheel.file}!{member.path}\n    {seen.error}")
            continue
        modules = verdicts.get((member.wheel.file, member.path))
        kind = outcome(seen, modules, python)
        if kind != AGREED:
            table.problems.append(problem(kind, member.wheel, member.path, seen, modules))
        table.add(row, CREATED if kind == AGREED and seen.module and not seen.imported else kind)
    return table


def compare_kin(observed: dict[judges.Member, judges.Seen], verdicts: Verdicts, others: list[wheels.Wheel],
                python: str) -> Table:
    table = Table("the same modules for others", [AGREED, DISAGREED, UNDETERMINED])
    known = {(member.wheel.name, member.wheel.version, member.name): seen for member, seen in observed.items()
             if seen.module and seen.free is not None}
    by_file = {wheel.file: wheel for wheel in others}
    for (file, path), modules in sorted(verdicts.items()):
        wheel = by_file.get(file)
        suffix = judges.module_suffix(path)
        if wheel is None or suffix is None:
            continue
        seen = known.get((wheel.name, wheel.version, judges.dotted_name(path, suffix)))
        if seen is None:
            continue
        kind = outcome(seen, modules, python)
        if kind != AGREED:
            table.problems.append(problem(kind, wheel, path, seen, modules))
        table.add(f"{wheel.name} {wheel.version} {wheel.tags[2][-1]}", kind)
    return table


def find_interpreter() -> str | None:
    """Of the version for which most of the corpus was made. Builds none."""
    script = ROOT / "scripts" / "freethreaded-python.sh"
    done = subprocess.run([script, "--print-only", "--version", "3.13"], stdout=subprocess.PIPE, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def arguments(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.epilog = ("exit status: 0 nothing disagrees and hardly anything is undetermined, 1 otherwise, 2 wrong use, "
                     "77 there is no corpus or no interpreter (1 with INTERLOCK_REQUIRE_CORPUS=1 in the environment)")
    parser.add_argument("interlock", metavar="INTERLOCK", help="the command, such as build/release/bin/interlock")
    parser.add_argument("--python", metavar="FILE", help="the free-threaded CPython (default: 3.13, as found by "
                        "scripts/freethreaded-python.sh)")
    parser.add_argument("--jobs", metavar="N", type=int, default=os.cpu_count(), help="imports at once")
    parser.add_argument("--observe", action="store_true", help="only import; do not audit")
    parser.add_argument("--static", action="store_true",
                        help="INTERLOCK is built without an emulator: much may be undetermined")
    parser.add_argument("--verdicts", metavar="FILE", help="as verdicts.py has written it (default: audit now)")
    parser.add_argument("--reasons", action="store_true", help="also say why modules could not be imported")
    parser.add_argument("--totals", action="store_true", help="leave out the rows of the tables")
    return parser


def unstable(command: str, chosen: list[wheels.Wheel], verdicts: Verdicts) -> list[str]:
    """What else is audited in the same run, and on which threads, has no say."""
    alone = reports.by_member(reports.audit(command, chosen))
    return [f"{file}!{path}: {said(modules)}, but among all wheels {said(verdicts.get((file, path)))}"
            for (file, path), modules in alone.items() if said(modules) != said(verdicts.get((file, path)))]


def hold(judge: judges.Interpreter, options: argparse.Namespace) -> bool:
    """The verdicts against what this interpreter does; whether they pass."""
    python = "%d.%dt" % judge.version
    pinned = wheels.pinned()
    here = [wheel for wheel in pinned if judge.runs(wheel)]
    kin = [wheel for wheel in pinned if wheel not in here and judge.abi in wheel.tags[1]]
    started = time.monotonic()
    members = [member for wheel in here for member in judge.members(wheel)]
    observed = judge.observe(members, here + [wheel for wheel in pinned if wheel.support])
    print(f"{len(members)} extension modules of {len(here)} wheels, observed in {time.monotonic() - started:.1f} s by")
    print(f"CPython {judge.description}\n", flush=True)
    if options.reasons:
        for member, seen in observed.items():
            if seen.error and seen.module:
                print(f"{NOT_IMPORTABLE if seen.free is None else CREATED}: {member.name} "
                      f"of {member.wheel.file}: {seen.error}")
        print()
    if options.observe:
        counts = collections.Counter("no module" if not one.module else NOT_IMPORTABLE if one.free is None
                                     else "GIL off" if one.free else "GIL on" for one in observed.values())
        print(", ".join(f"{kind}: {count}" for kind, count in sorted(counts.items())))
        return True

    verdicts = reports.by_member(reports.of_corpus(options.interlock, options.verdicts))
    imported = compare_imported(observed, verdicts, python, "imported" if judge.ways[0] == "import" else "created")
    imported.print(options.totals)
    others = compare_kin(observed, verdicts, kin, python)
    others.print(options.totals)
    # As many as there are can be undetermined without one.
    limits = (1.1, 1.1) if options.static else (UNDETERMINED_LIMIT, KIN_UNDETERMINED_LIMIT)
    passed = imported.passed(len(members), limits[0]) and others.passed(others.total.total(), limits[1])
    differing = unstable(options.interlock, here, verdicts)
    if differing:
        print("\n".join(["verdicts that depend on what else is audited:", *differing]))
        passed = False
    sure = imported.total[AGREED]
    needed = STATIC_AGREED_LIMIT if options.static else judge.agreed_limit
    if sure < needed * len(members):
        print(f"too little was compared: {sure} of {len(members)} modules agreed; {needed:.0%} are needed")
        passed = False
    return passed


def prepared(options: argparse.Namespace) -> int:
    """0 when there is what a comparison needs, with options.python set; else the status to end with."""
    missing = reports.missing_wheels(options.jobs)
    if missing:
        return skip(missing)
    options.python = options.python or find_interpreter()
    if options.python is None:
        return skip("there is no free-threaded CPython 3.13; run scripts/freethreaded-python.sh, which builds one")
    return 0


def main() -> int:
    options = arguments(argparse.ArgumentParser(description=(
        "Compares the verdicts of `interlock audit` on the corpus with imports in a free-threaded CPython. Needs what "
        "scripts/corpus.sh and scripts/freethreaded-python.sh bring; fetches and builds nothing."))).parse_args()
    status = prepared(options)
    if status != 0:
        return status
    passed = hold(judges.Interpreter(options.python, options.jobs), options)
    print("passed" if passed else "FAILED")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
