# The corpus as a whole, also what no interpreter here can import. No file of it is refused; hardly any verdict is open,
# and each that is gets named with its cause; and siblings do not contradict each other: the modules of one name, of one
# version of a distribution, for other platforms and interpreters were made from the same sources, and keep the GIL off
# all of them or none. Builds for an interpreter with a GIL are no siblings: markers are mostly compiled out of them.
#
# SPDX-License-Identifier: MIT
import argparse
import collections
import os
import re
import sys

import verdicts as reports
from verdicts import AGREED, DISAGREED, UNDETERMINED, Table, skip

import interpreter as judges
import wheels

# Undetermined ones among all modules of the corpus; their share has to be under it.
LIMITS = {"x86-64 Linux": 0.002, "other platforms": 0.01}
# Siblings that differ in fact, and why. Keys: distribution, version, module.
DIFFER: dict[tuple[str, str, str], str] = {}

SIDES = {"free": "free", "unmarked": "held", "global_lock": "held"}
ALONE = "without sibling"


class Module:
    """What is said of the module that an import of a file finds, in one slice of the file."""

    def __init__(self, binary: dict, verdict: dict, wheel: wheels.Wheel, path: str):
        self.wheel = wheel
        self.path = path
        self.verdict = verdict["verdict"]
        self.reason = verdict["reason"]
        self.free_threaded = any(re.fullmatch(r"cp\d+t|abi3t", tag) for tag in wheel.tags[1])
        self.platform = f"{binary['platform']} {binary['architecture']}"
        suffix = judges.module_suffix(path)
        self.name = judges.dotted_name(path, suffix) if suffix is not None else ""

    def __str__(self) -> str:
        return f"{self.wheel.file}!{self.path} ({self.platform})"


def modules_of(report: dict, pinned: list[wheels.Wheel]) -> list[Module]:
    """Libraries that are no modules left out."""
    by_file = {wheel.file: wheel for wheel in pinned}
    found = []
    for binary in report["binaries"]:
        file, path = reports.place(binary["path"])
        found += [Module(binary, module, by_file[file], path) for module in binary["modules"]
                  if module["primary"] and module["verdict"] != "not_a_module"]
    return found


def compare_siblings(modules: list[Module]) -> Table:
    families: dict[tuple[str, str, str], list[Module]] = collections.defaultdict(list)
    for module in modules:
        if module.free_threaded and module.name and module.verdict != "not_applicable":
            families[module.wheel.name, module.wheel.version, module.name].append(module)
    table = Table("siblings", [AGREED, DISAGREED, "differ in fact", UNDETERMINED, "delegated", ALONE])
    for key, family in sorted(families.items()):
        row = f"{key[0]} {key[1]}"
        sides = {SIDES[module.verdict] for module in family if module.verdict in SIDES}
        for module in family:
            if module.verdict not in SIDES:
                table.add(row, module.verdict if module.verdict in table.columns else DISAGREED)
            elif len(family) == 1:
                table.add(row, ALONE)
            elif len(sides) == 1:
                table.add(row, AGREED)
            else:
                table.add(row, "differ in fact" if key in DIFFER else DISAGREED)
        if len(sides) > 1:
            cause = DIFFER.get(key)
            table.problems.append(f"{' '.join(key)}: " + (f"differ in fact: {cause}" if cause else DISAGREED))
            table.problems += [f"    {module.verdict}: {module} ({module.reason})" for module in family]
    return table


def compare_limits(modules: list[Module]) -> Table:
    table = Table("all modules", ["verdict", UNDETERMINED])
    for module in modules:
        place = "x86-64 Linux" if module.platform == "linux x86_64" else "other platforms"
        table.add(place, UNDETERMINED if module.verdict == UNDETERMINED else "verdict")
        if module.verdict == UNDETERMINED:
            table.problems.append(f"{UNDETERMINED}: {module}: {module.reason}")
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=(
        "Checks the verdicts of `interlock audit` on the corpus as a whole. Needs what scripts/corpus.sh brings."))
    parser.add_argument("interlock", metavar="INTERLOCK", help="the command, such as build/release/bin/interlock")
    parser.add_argument("--verdicts", metavar="FILE", help="as verdicts.py has written it (default: audit now)")
    parser.add_argument("--static", action="store_true",
                        help="INTERLOCK is built without an emulator: much may be undetermined")
    parser.add_argument("--totals", action="store_true", help="leave out the rows of the table of siblings")
    options = parser.parse_args()
    missing = reports.missing_wheels(os.cpu_count() or 1)
    if missing:
        return skip(missing)

    report = reports.of_corpus(options.interlock, options.verdicts)
    modules = modules_of(report, wheels.pinned())
    siblings = compare_siblings(modules)
    siblings.print(options.totals)
    limits = compare_limits(modules)
    limits.print()
    passed = not siblings.total[DISAGREED]
    for place, counts in limits.rows.items():
        share = counts[UNDETERMINED] / counts.total()
        print(f"{place}: {counts[UNDETERMINED]} of {counts.total()} are undetermined ({share:.2%}); "
              f"under {LIMITS[place]:.1%} have to be")
        passed = passed and (share < LIMITS[place] or options.static)
    for error in report["errors"]:
        print(f"refused: {error['message']}")
        passed = False
    print("passed" if passed else "FAILED")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
