"""Builds the extension modules of these tests, from modules/*.c, with the interpreter's own headers.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
from dataclasses import dataclass

SOURCES = pathlib.Path(__file__).resolve().parent / "modules"
FREE, USED = "GIL=Py_MOD_GIL_NOT_USED", "GIL=Py_MOD_GIL_USED"


@dataclass(frozen=True)
class Module:
    """`name` is the dotted one; that of a package ends in ".__init__"."""

    name: str
    source: str
    defines: tuple[str, ...] = ()
    suffix: str = ""  # empty: the interpreter's own


MODULES = [
    Module("multi_free", "multi.c", (FREE,)),
    Module("multi_used", "multi.c", (USED,)),
    Module("multi_unmarked", "multi.c"),
    Module("multi_unmarked_2", "multi.c"),
    Module("multi_free_own_gil", "multi.c", (FREE, "OWN_GIL")),
    Module("multi_unmarked_own_gil", "multi.c", ("OWN_GIL",)),
    Module("multi_text", "multi.c", (FREE, "CREATES_TEXT")),
    Module("multi_create_raises", "multi.c", ("CREATE_RAISES",)),
    Module("multi_exec_raises", "multi.c", ("EXEC_RAISES",)),
    Module("multi_exec_raises_free", "multi.c", (FREE, "EXEC_RAISES")),
    Module("multi_imports", "multi.c", (FREE, 'IMPORTS="multi_unmarked"')),
    Module("multi_hooks", "multi.c", (FREE, "HOOKS")),
    Module("single_free", "single.c", (FREE,)),
    Module("single_used", "single.c", (USED,)),
    Module("single_unmarked", "single.c"),
    Module("single_again", "single.c", ("SIZE=0",)),
    Module("single_again_free", "single.c", ("SIZE=0", FREE)),
    Module("single_raises", "single.c", ("INIT_RAISES",)),
    Module("single_null", "single.c", ("INIT_RETURNS_NULL",)),
    Module("single_imports_free", "single.c", (FREE, 'IMPORTS="multi_free"')),
    Module("single_free_imports", "single.c", (FREE, 'IMPORTS="multi_unmarked"')),
    Module("single_imports", "single.c", ('IMPORTS="multi_unmarked"',)),
    Module("single_imports_environment", "single.c", (FREE, 'IMPORTS="environment"')),
    Module("single_hooks", "single.c", (FREE, "HOOKS")),
    Module("single_hooks_unmarked", "single.c", ("HOOKS",)),
    Module("single_left", "single.c", ("HOOKS", 'IMPORTS="single_right"')),
    Module("single_right", "single.c", ("HOOKS", 'IMPORTS="single_left"')),
    Module("single_left_free", "single.c", (FREE, "HOOKS", 'IMPORTS="single_right_free"')),
    Module("single_right_free", "single.c", (FREE, "HOOKS", 'IMPORTS="single_left_free"')),
    Module("environment", "undetermined.c", ("BY_ENVIRONMENT",)),
    Module("environment_2", "undetermined.c", ("BY_ENVIRONMENT",)),
    Module("environment_hooks", "undetermined.c", ("BY_ENVIRONMENT", "HOOKS")),
    Module("environment_hooks_2", "undetermined.c", ("BY_ENVIRONMENT", "HOOKS")),
    Module("by_path", "undetermined.c", ("BY_PATH",)),
    Module("by_path_used", "undetermined.c", ("BY_PATH", USED)),
    Module("loops", "undetermined.c", ("BY_LOOP",)),
    Module("loops_used", "undetermined.c", ("BY_LOOP", USED)),
    Module("no_init", "no_init.c"),
    Module("maker_free", "maker.c", (FREE,)),
    Module("maker_used", "maker.c", (USED,)),
    Module("made_free", "made.c", ('MAKER="maker_free"',)),
    Module("made_used", "made.c", ('MAKER="maker_used"',)),
    Module("made_of_nothing", "made.c", ('MAKER="made_nowhere"',)),
    Module("for_gil_single", "for_gil.c", ("SINGLE",), ".so"),
    Module("for_gil_multi", "for_gil.c", (), ".so"),
    Module("pack.__init__", "multi.c"),
    Module("pack.inner", "multi.c"),
    Module("pack_free.__init__", "multi.c", (FREE,)),
    Module("pack_free.inner", "multi.c", (FREE,)),
    Module("pack_free.unmarked", "multi.c"),
]
# Pure Python around them.
FILES = {
    "user.py": '"""SPDX-License-Identifier: MIT"""\nimport middle\n',
    "middle.py": '"""SPDX-License-Identifier: MIT"""\n\nimport multi_unmarked\n',
    "lazy.py": '"""SPDX-License-Identifier: MIT"""\n\n\n'
               'def work():\n    import multi_unmarked\n    return multi_unmarked\n',
    # A distribution, so that there is one to be named.
    "acme_unmarked-1.2.3.dist-info/METADATA": "Metadata-Version: 2.1\nName: acme-unmarked\nVersion: 1.2.3\n",
    "acme_unmarked-1.2.3.dist-info/top_level.txt": "multi_unmarked\n",
    "acme_unmarked-1.2.3.dist-info/RECORD": "multi_unmarked@SUFFIX@,,\n",
}


@dataclass(frozen=True)
class Interpreter:
    executable: str
    version: tuple[int, int]
    suffix: str
    include: str
    prefix: str
    library_folder: str
    library: str  # as after -l; empty where there is none to link against

    @staticmethod
    def of(executable: str) -> Interpreter:
        asked = (
            "import json, sys, sysconfig as s, importlib.machinery as m; v = s.get_config_var; "
            "print(json.dumps([sys.executable, sys.version_info[:2], m.EXTENSION_SUFFIXES[0], s.get_path('include'), "
            "sys.base_prefix, v('LIBDIR'), 'python' + v('LDVERSION') if v('Py_ENABLE_SHARED') else '', "
            "bool(v('Py_GIL_DISABLED'))]))")
        answer = subprocess.run([executable, "-I", "-c", asked], capture_output=True, text=True, check=True).stdout
        *found, free_threaded = json.loads(answer)
        if not free_threaded:
            raise ValueError(f"{executable} has a GIL that cannot be switched; these tests need a free-threaded Python")
        return Interpreter(found[0], tuple(found[1]), *found[2:])


def _compile(arguments: list[str]) -> None:
    command = [*shlex.split(os.environ.get("CC", "cc")), "-O1", "-Wall", "-Wextra", "-Werror", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{shlex.join(command)} failed with {done.returncode}:\n{done.stderr}")


def path_of(folder: pathlib.Path, interpreter: Interpreter, module: str) -> pathlib.Path:
    return folder / (module.replace(".", "/") + interpreter.suffix)


def build(interpreter: Interpreter, folder: pathlib.Path) -> None:
    """Puts all modules, and what is around them, into an empty folder that is made for sys.path."""
    includes = ["-I", interpreter.include, "-I", str(SOURCES)]

    def one(module: Module) -> None:
        out = path_of(folder, interpreter, module.name)
        if module.suffix:
            out = folder / (module.name + module.suffix)
        out.parent.mkdir(parents=True, exist_ok=True)
        parts = module.name.removesuffix(".__init__").split(".")
        defines = [f"-D{define}" for define in (f"MODULE={parts[-1]}", *module.defines)]
        _compile(["-shared", "-fPIC", *includes, *defines, str(SOURCES / module.source), "-o", str(out)])

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, MODULES))
    for name, text in FILES.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("@SUFFIX@", interpreter.suffix), encoding="utf-8")
    path_of(folder, interpreter, "garbage").write_bytes(b"this is no library\n")


def build_embedding_program(interpreter: Interpreter, folder: pathlib.Path) -> pathlib.Path | None:
    """None where the interpreter has no shared library."""
    if not interpreter.library:
        return None
    out = folder / "embeds"
    library = interpreter.library_folder
    _compile(["-I", interpreter.include, str(SOURCES / "embeds.c"), "-L", library, f"-Wl,-rpath,{library}",
              f"-l{interpreter.library}", "-o", str(out)])
    return out
