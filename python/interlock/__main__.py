"""``python -m interlock [options] SCRIPT|-m MODULE|-c CODE arguments...``

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import os
import sys

from . import _install, _report

TYPE_CHECKING = False  # as in typing, which takes a third of the time that this package has to start
if TYPE_CHECKING:
    from typing import Any, NoReturn

_USAGE = "usage: python -m interlock [options] SCRIPT|-m MODULE|-c CODE [argument ...]"
_HELP = f"""{_USAGE}

Runs a program under a policy that says, for each extension module, whether the GIL comes on.

  --policy FILE             the policy, as interlock's loader reads it
  --override MODULE=ACTION  free, global_lock or refuse for one module; goes before the policy; repeatable
  --report FILE             write a report (JSON) there at the end, and a table to stderr
  -m MODULE                 run a module
  -c CODE                   run code
  -h, --help                this
"""


def _wrong(text: str) -> NoReturn:
    print(f"interlock: error: {text}\n{_USAGE}", file=sys.stderr)
    raise SystemExit(2)


class _Options:
    def __init__(self) -> None:
        self.policy: str | None = None
        self.report: str | None = None
        self.overrides: list[str] = []
        self.kind = ""  # of what runs: "script", "module" or "code"
        self.program: list[str] = []  # and its arguments


def _parse(arguments: list[str]) -> _Options:
    """By hand, as in Python's own command line: what stands behind the program is the program's."""
    options = _Options()
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word in ("-h", "--help"):
            print(_HELP, end="")
            raise SystemExit(0)
        if word in ("-m", "-c"):
            options.kind = "module" if word == "-m" else "code"
            options.program = rest
            if not rest:
                _wrong(f"{word} needs an argument")
            return options
        name, equals, value = word.partition("=")
        if name in ("--policy", "--override", "--report"):
            if not equals:
                if not rest:
                    _wrong(f"{name} needs an argument")
                value = rest.pop(0)
            if name == "--override":
                options.overrides.append(value)
            elif name == "--policy":
                options.policy = value
            else:
                options.report = value
            continue
        if word == "--":
            if not rest:
                break
            word = rest.pop(0)
        elif word.startswith("-") and word != "-":
            _wrong(f"there is no option {word}")
        options.kind, options.program = "script", [word, *rest]
        return options
    _wrong("there is nothing to run: give a script, -m MODULE or -c CODE")


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
    import json

    report = _report.report()
    try:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=2)
            file.write("\n")
    except OSError as error:
        print(f"interlock: the report cannot be written: {error}", file=sys.stderr)
    print(_table(report), file=sys.stderr)


def main() -> None:
    options = _parse(sys.argv[1:])
    try:
        _install.install(options.policy, overrides=options.overrides)
    except ValueError as error:
        print(f"interlock: error: {error}", file=sys.stderr)
        raise SystemExit(4) from None
    if options.report:
        import atexit

        atexit.register(_write_report, os.path.abspath(options.report), os.getpid())
    program = options.program
    if options.kind == "module":
        import runpy

        sys.argv, sys.path[0] = program, os.getcwd()
        runpy.run_module(program[0], run_name="__main__", alter_sys=True)
    elif options.kind == "code":
        sys.argv, sys.path[0] = ["-c", *program[1:]], ""
        exec(compile(program[0], "<string>", "exec"), {"__name__": "__main__", "__builtins__": __builtins__})
    else:
        import runpy

        sys.argv, sys.path[0] = program, os.path.dirname(os.path.abspath(program[0]))
        runpy.run_path(program[0], run_name="__main__")


if __name__ == "__main__":
    main()
