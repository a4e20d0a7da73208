"""``python -m interlock [options] SCRIPT|-m MODULE|-c CODE arguments...``

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import argparse
import atexit
import json
import os
import runpy
import sys
from typing import Any

from . import _install, _report


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m interlock",
        usage="python -m interlock [options] SCRIPT|-m MODULE|-c CODE [argument ...]",
        description="Runs a program under a policy that says, for each extension module, whether the GIL comes on.",
        allow_abbrev=False)
    parser.add_argument("--policy", metavar="FILE", help="the policy, as interlock's loader reads it")
    parser.add_argument("--override", metavar="MODULE=ACTION", action="append", default=[],
                        help="free, global_lock or refuse for one module; goes before the policy; repeatable")
    parser.add_argument("--report", metavar="FILE", help="write a report (JSON) there at the end, and a table to stderr")
    parser.add_argument("-m", dest="module", metavar="MODULE", nargs=argparse.REMAINDER, help="run a module")
    parser.add_argument("-c", dest="code", metavar="CODE", nargs=argparse.REMAINDER, help="run code")
    parser.add_argument("script", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _table(report: dict[str, Any]) -> str:
    rows = [("MODULE", "VERDICT", "DECISION", "GIL", "IMPORTED BY")]
    for one in report["modules"]:
        gil = ("on" if one["gil_after"] else "off") if one["gil_before"] == one["gil_after"] else "off -> on"
        rows.append((one["module"], one.get("verdict") or "-", one.get("action", "-"), gil,
                     (one["imported_by"] or [one["line"] or "-"])[0]))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def _write_report(path: str, process: int) -> None:
    if os.getpid() != process:
        return  # a child of fork()
    report = _report.report()
    with open(path, "w", encoding="utf-8") as file:
        json.dump(report, file, indent=2)
        file.write("\n")
    print(_table(report), file=sys.stderr)


def main() -> None:
    options = _parser().parse_args()
    if options.module is None and options.code is None and not options.script:
        _parser().error("there is nothing to run: give a script, -m MODULE or -c CODE")
    try:
        _install.install(options.policy, overrides=options.override)
    except ValueError as error:
        print(f"interlock: error: {error}", file=sys.stderr)
        raise SystemExit(4) from None
    if options.report:
        atexit.register(_write_report, os.path.abspath(options.report), os.getpid())
    if options.module is not None:
        sys.argv = options.module
        sys.path[0] = os.getcwd()
        runpy.run_module(options.module[0], run_name="__main__", alter_sys=True)
    elif options.code is not None:
        sys.argv = ["-c", *options.code[1:]]
        sys.path[0] = ""
        namespace = {"__name__": "__main__", "__builtins__": __builtins__}
        exec(compile(options.code[0], "<string>", "exec"), namespace)
    else:
        sys.argv = options.script
        sys.path[0] = os.path.dirname(os.path.abspath(options.script[0]))
        runpy.run_path(options.script[0], run_name="__main__")


if __name__ == "__main__":
    main()
