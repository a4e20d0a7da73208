"""``python -m interlock [options] SCRIPT|-m MODULE|-c CODE arguments...``

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import builtins
import importlib.machinery
import io
import linecache
import os
import runpy
import sys

from . import _install, _report
from ._warning import escaped

TYPE_CHECKING = False  # as in typing, which takes a third of the time that this package has to start
if TYPE_CHECKING:
    import types
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
    print(f"interlock: error: {escaped(text)}\n{_USAGE}", file=sys.stderr)
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
    report = _report.report()
    import json  # afterwards, as it has an extension module

    try:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=2)
            file.write("\n")
    except OSError as error:
        print(f"interlock: the report cannot be written: {error}", file=sys.stderr)
    print(_table(report), file=sys.stderr)


def _is_importable(path: str) -> bool:
    """A folder or a zip file, from which Python runs __main__.py."""
    for hook in sys.path_hooks:
        try:
            hook(path)
        except ImportError:
            continue
        return True
    return False


def _first_on_path(folder: str) -> None:
    """In the place of what `-m interlock` has put there, which is nothing with -P."""
    if not sys.flags.safe_path:
        sys.path[0] = folder


def _code_of_script(path: str, names: dict[str, Any]) -> types.CodeType:
    names["__cached__"] = None
    if path == "-":
        names["__file__"] = "<stdin>"
        source = sys.stdin.buffer.read() if sys.stdin else b""  # it may be closed
        return compile(source, "<stdin>", "exec", dont_inherit=True)
    path = os.path.join(os.getcwd(), path)
    names["__file__"] = path
    names["__loader__"] = importlib.machinery.SourceFileLoader("__main__", path)
    try:
        with io.open_code(path) as file:
            source = file.read()
    except OSError as error:
        print(f"{sys.orig_argv[0]}: can't open file {path!r}: [Errno {error.errno}] {error.strerror}", file=sys.stderr)
        raise SystemExit(2) from None
    if path.endswith(".pyc"):
        names["__loader__"] = loader = importlib.machinery.SourcelessFileLoader("__main__", path)
        code = loader.get_code("__main__")
        assert code is not None  # it raises instead
        return code
    return compile(source, path, "exec", dont_inherit=True)


def _code_of_option(text: str) -> types.CodeType:
    if sys.version_info >= (3, 14) and text[:1].isspace():
        import textwrap  # slow to import

        text = textwrap.dedent(text)
    code = compile(text, "<string>", "exec", dont_inherit=True)
    if register := getattr(linecache, "_register_code", None):  # for tracebacks, as Python does it
        register(code, text, "<string>")
    return code


def _run(kind: str, program: list[str]) -> None:
    """As Python itself would: in a module __main__ that has nothing of this one."""
    what = program[0]
    sys.modules["__main__"] = module = type(sys)("__main__")
    names = module.__dict__
    names.update(__builtins__=builtins, __loader__=importlib.machinery.BuiltinImporter)
    if sys.version_info < (3, 14):
        names["__annotations__"] = {}
    try:
        if kind == "module":
            sys.argv = ["-m", *program[1:]]
            _first_on_path(os.getcwd())
            runpy._run_module_as_main(what)  # type: ignore[attr-defined]
        elif kind == "code":
            sys.argv = ["-c", *program[1:]]
            _first_on_path("")
            exec(_code_of_option(what), names)
        elif what != "-" and _is_importable(what):
            sys.argv = program
            if sys.flags.safe_path:
                sys.path.insert(0, "")
            sys.path[0] = os.path.join(os.getcwd(), what)
            runpy._run_module_as_main("__main__", alter_argv=False)  # type: ignore[attr-defined]
        else:
            sys.argv = program
            _first_on_path("" if what == "-" else os.path.dirname(os.path.realpath(what)))
            exec(_code_of_script(what, names), names)
    except BaseException as error:
        _hide_own_frames(error)
        raise


def _hide_own_frames(error: BaseException) -> None:
    """Who reads the traceback of a program is not to look for its error here."""
    shown = error.__traceback__
    while shown is not None and shown.tb_frame.f_globals is globals():
        shown = shown.tb_next
    hook = sys.excepthook

    def without_them(kind: type[BaseException], value: BaseException, traceback: types.TracebackType | None) -> None:
        if value is error:
            traceback = shown
            value.__traceback__ = shown
        hook(kind, value, traceback)

    sys.excepthook = without_them


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
    _run(options.kind, options.program)


if __name__ == "__main__":
    main()
