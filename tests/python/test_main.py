"""`python -m interlock` runs a program as Python itself does: the same command line is given to both, and output,
errors and exit status are the same, byte for byte.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import pathlib
import subprocess
import tempfile
import unittest
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

import cases

# What a program can see of how it was started.
SHOW = """
import sys
main = sys.modules["__main__"]
told = {name: value if isinstance(value, (str, dict, type(None))) else type(value).__name__
        for name, value in vars(main).items()}
print(sorted(told.items()), globals() is vars(main), sys.argv, sys.path[:2], getattr(__spec__, "name", None), sep="\\n")
"""
RAISES = "def inner():\n    1 / 0\ninner()\n"
SPAWNS = """
import multiprocessing, os, pickle
class Mine:
    def __eq__(self, other):
        return type(other) is Mine
def work(value):
    return __name__, value
if __name__ == "__main__":
    print(pickle.loads(pickle.dumps(Mine())) == Mine(), work.__module__)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(work, (Mine(),)) == ("__mp_main__", Mine()), pool.apply(os.getpid) != os.getpid())
"""
FILES = {
    "show.py": SHOW,
    "raises.py": RAISES,
    "syntax.py": "x = = 1\n",
    "interrupt.py": "raise KeyboardInterrupt\n",
    "leaves.py": "import sys\nsys.exit('so long')\n",
    "status.py": "import atexit\natexit.register(print, 'the end')\nraise SystemExit(3)\n",
    "hook.py": "import sys\nsys.excepthook = lambda kind, value, traceback: print(\n"
               "    kind, traceback.tb_lineno, traceback.tb_frame.f_code.co_name)\n" + RAISES,
    "context.py": "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise ValueError from error\n",
    "spawns.py": SPAWNS,
    "folder/__main__.py": SHOW + "import beside\n",
    "folder/beside.py": "print(__name__)\n",
    "no_main/other.py": "",
    "package/__init__.py": "print(__name__)\n",
    "package/__main__.py": SHOW + "from . import inner\n",
    "package/inner.py": "print(__name__)\n",
    "plain/__init__.py": "",
    "broken/__init__.py": "import interlock_has_no_such_module\n",
    "broken/inner.py": "",
}


@dataclass(frozen=True)
class Line:
    """A command line behind `python` or `python -m interlock`, and what is sure to be in the outcome of both."""

    arguments: Sequence[str]
    status: int = 0
    output: str = ""
    errors: str = ""
    stdin: str = ""
    python_options: Sequence[str] = ()
    safe_path: bool = False  # by PYTHONSAFEPATH


def _by_both_ways() -> dict[str, Line]:
    """Lines that are tried with and without -P."""
    return {
        "script": Line(["show.py", "a", "-b", "--policy=c"], output="['show.py', 'a', '-b', '--policy=c']"),
        "script_by_dot": Line(["./show.py"], output="/./show.py"),
        "script_by_way": Line(["folder/../show.py"], output="/folder/../show.py"),
        "script_by_link": Line(["link.py"], output="link.py"),
        "compiled": Line(["compiled.pyc"], output="SourcelessFileLoader"),
        "folder": Line(["folder", "a"], output="['folder', 'a']"),
        "folder_with_slash": Line(["folder/"], output="beside"),
        "zip": Line(["zipped.zip"], output="zipimporter"),
        "folder_without": Line(["no_main"], 1, errors="can't find '__main__' module in"),
        "missing": Line(["missing.py"], 2, errors="[Errno 2] No such file or directory"),
        "missing_folder": Line(["missing/"], 2, errors="[Errno 2] No such file or directory"),
        "stdin": Line(["-", "a"], output="['-', 'a']", stdin=SHOW),
        "code": Line(["-c", SHOW, "a"], output="['-c', 'a']"),
    }


LINES = {
    **_by_both_ways(),
    **{f"{name}_safe_path": Line(line.arguments, line.status, line.output, line.errors, line.stdin, ("-P",))
       for name, line in _by_both_ways().items()},
    "safe_path_of_environment": Line(["show.py"], output="SourceFileLoader", safe_path=True),
    "module": Line(["-m", "show", "a"], output="show.py', 'a']"),
    "module_safe_path": Line(["-m", "show"], 1, errors="No module named show", python_options=("-P",)),
    "package": Line(["-m", "package"], output="package.inner"),
    "module_of_package": Line(["-m", "package.inner"], output="__main__"),
    "package_without": Line(["-m", "plain"], 1, errors="cannot be directly executed"),
    "package_that_fails": Line(["-m", "broken.inner"], 1, errors="interlock_has_no_such_module"),
    "missing_module": Line(["-m", "nosuch"], 1, errors="No module named nosuch\n"),
    "missing_in_package": Line(["-m", "plain.nosuch"], 1, errors="No module named plain.nosuch\n"),
    "raises": Line(["raises.py"], 1, errors="ZeroDivisionError"),
    "raises_in_module": Line(["-m", "raises"], 1, errors="ZeroDivisionError"),
    "raises_in_code": Line(["-c", RAISES], 1, errors="    1 / 0\n"),
    "raises_in_stdin": Line(["-"], 1, errors="ZeroDivisionError", stdin=RAISES),
    "raises_with_a_cause": Line(["context.py"], 1, errors="the direct cause"),
    "hook": Line(["hook.py"], 1, output="<class 'ZeroDivisionError'> 6 <module>"),
    "syntax": Line(["syntax.py"], 1, errors="SyntaxError"),
    "syntax_in_module": Line(["-m", "syntax"], 1, errors="SyntaxError"),
    "syntax_in_code": Line(["-c", "x = = 1"], 1, errors="SyntaxError"),
    "syntax_in_stdin": Line(["-"], 1, errors="SyntaxError", stdin="x = = 1"),
    "interrupt": Line(["interrupt.py"], -2, errors="KeyboardInterrupt"),
    "interrupt_in_module": Line(["-m", "interrupt"], -2, errors="KeyboardInterrupt"),
    "leaves": Line(["leaves.py"], 1, errors="so long\n"),
    "status": Line(["status.py"], 3, output="the end"),
    "spawns": Line(["spawns.py"], output="True __main__\nTrue True\n"),
    "spawns_from_module": Line(["-m", "spawns"], output="True __main__\nTrue True\n"),
    # Nothing of interlock's own settings gets into the code: it has `from __future__ import annotations`.
    "no_future": Line(["-c", "def f(x: int): pass\nprint(f.__annotations__)"], output="{'x': <class 'int'>}"),
    "code_inside_code": Line(["-c", "exec('1 / 0')"], 1, errors='File "<string>", line 1, in <module>'),
    # Since 3.14 Python takes the indentation away.
    "code_indented": Line(["-c", "\n  print(1)\n  1 / 0"], 1, errors="Error"),
}


class AsPython(unittest.TestCase):
    maxDiff = None

    def check(self, line: Line) -> None:
        with tempfile.TemporaryDirectory(dir=cases.world.scratch) as name:
            folder = pathlib.Path(name)
            for path, text in FILES.items():
                (folder / path).parent.mkdir(exist_ok=True)
                (folder / path).write_text(text)
            (folder / "link.py").symlink_to("folder/../show.py")
            with zipfile.ZipFile(folder / "zipped.zip", "w") as file:
                for member in ("__main__.py", "beside.py"):
                    file.write(folder / "folder" / member, member)
            python = cases.world.interpreter.executable
            subprocess.run([python, "-c", "import py_compile; py_compile.compile('show.py', 'compiled.pyc')"],
                           check=True, cwd=folder)
            env = cases.world.environment({"PYTHONSAFEPATH": "1"} if line.safe_path else {})
            seen = [subprocess.run([python, *line.python_options, *between, *line.arguments], input=line.stdin, env=env,
                                   capture_output=True, text=True, cwd=folder, timeout=cases.DEADLINE)
                    for between in ([], ["-m", "interlock"])]
        plain, ours = ({"status": one.returncode, "output": one.stdout, "errors": one.stderr} for one in seen)
        self.assertEqual(ours, plain)
        self.assertEqual(plain["status"], line.status, plain)
        self.assertIn(line.output, plain["output"])
        self.assertIn(line.errors, plain["errors"])
        self.assertTrue(line.output or line.errors)


for _name, _line in LINES.items():
    setattr(AsPython, f"test_{_name}", lambda self, line=_line: self.check(line))


class Own(unittest.TestCase):
    """What there is only with interlock."""

    def test_report_of_a_script_that_raises(self) -> None:
        """The report is written all the same, behind the traceback."""
        run = cases.world.run("import multi_free\n1 / 0\n", options=("--report", "report.json"))
        self.assertEqual(run.status, 1)
        self.assertRegex(run.errors, r"(?s)^Traceback.*ZeroDivisionError: division by zero\nMODULE .*\nmulti_free ")
        self.assertNotIn("runpy", run.errors)
        self.assertTrue((run.folder / "report.json").is_file())
