"""The warning about a module for which the GIL is turned on: who, why, and the ways out.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import linecache  # here, as an import takes long while other threads work
import os
import stat

TYPE_CHECKING = False  # as in typing, which takes a third of the time that this package has to start
if TYPE_CHECKING:
    import types
    from typing import Any

# CPython's own text (Python/import.c), so that filters for it go on to work.
_HEADLINE = (
    "The global interpreter lock (GIL) has been enabled to load module '{}', which has not declared that it can run "
    "safely without the GIL. To override this behavior and keep the GIL disabled (at your own risk), run with "
    "PYTHON_GIL=0 or -Xgil=0."
)


_LARGEST = 1 << 26  # bytes that are read of a source or a RECORD
_STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep
_INTERLOCK = os.path.dirname(__file__) + os.sep


class FallbackWarning(RuntimeWarning):
    """The GIL is turned on for a module. As an error it refuses the import, before anything is switched."""


def your_line(importer: types.FrameType | None) -> str | None:
    """The innermost one that is not in an installed package but the user's own; the importer's where all is installed."""
    frame = importer
    while frame is not None and _is_installed(frame.f_code.co_filename):
        frame = frame.f_back
    frame = frame or importer
    return frame and f"{frame.f_code.co_filename}:{frame.f_lineno or '?'} ({frame.f_code.co_name})"


def _is_installed(file: str) -> bool:
    if file.startswith(("<frozen ", _STANDARD_LIBRARY, _INTERLOCK)):
        return True
    parts = file.replace("\\", "/").split("/")
    return "site-packages" in parts or "dist-packages" in parts


def _content(file: str) -> bytes:
    """Not by open(): to close what that returns takes as long as stopping all threads does."""
    opened = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(opened)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST:
            raise ValueError("no file that a warning could be about")
        pieces = []
        while piece := os.read(opened, 1 << 20):
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(opened)


def distribution_of(module: str, file: str) -> tuple[str, str] | None:
    """Name and version of the installed distribution that lists the file.

    Not by importlib.metadata: what it imports allocates so much that the garbage collector stops all threads again and
    again, which takes seconds when they are busy.
    """
    root = os.path.dirname(file)
    for _ in range(module.count(".") + (os.path.basename(file).partition(".")[0] == "__init__")):
        root = os.path.dirname(root)
    listed = "\n" + file[len(root) + 1:].replace(os.sep, "/") + ","
    top = module.partition(".")[0].lower()
    try:
        folders = [name for name in os.listdir(root) if name.endswith(".dist-info")]
    except OSError:
        return None
    for folder in sorted(folders, key=lambda name: not name.lower().startswith(top)):
        try:
            record = _content(os.path.join(root, folder, "RECORD")).decode()
            if listed not in "\n" + record:
                continue
            metadata = _content(os.path.join(root, folder, "METADATA")).decode()
        except (OSError, ValueError):  # broken metadata must not break an import
            continue
        header = "\n" + metadata.partition("\n\n")[0] + "\n"
        return (header.partition("\nName:")[2].partition("\n")[0].strip(),
                header.partition("\nVersion:")[2].partition("\n")[0].strip())
    return None


def text_of(module: str, file: str, decision: dict[str, Any], chain: list[str]) -> str:
    lines = [_HEADLINE.format(module), f"  file         {file}"]
    if distribution := distribution_of(module, file):
        lines.append(f"  package      {distribution[0]} {distribution[1]}")
    lines += [f"  why          {reason['text']}" for reason in decision["why"]]
    lines += [f"  evidence     {one}" for one in decision["evidence"]]
    if len(chain) > 1:
        lines.append(f"  imported by  {' <- '.join(chain)}")
    if decision["your_line"]:
        lines.append(f"  your line    {decision['your_line']}")
    # Not by json: as for distribution_of(), and this may be about a module that json itself is about to import.
    name = module.replace("\\", "\\\\").replace('"', '\\"')
    policy = f'{{"rules": [{{"match": {{"module": "{name}"}}, "threading": "free", "reason": "why it is safe"}}]}}'
    lines.append("  fix          use a version of it that is marked; `interlock audit` says which wheels are")
    lines.append(f"  fix          or take responsibility in a policy file (--policy): {policy}")
    return "\n".join(map(escaped, lines))


def escaped(text: str) -> str:
    """Names of modules and files may have anything in them: line breaks, and what steers a terminal."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _remember_source(file: str) -> None:
    """For `warnings`, which shows a line of it, and would import the tokenizer to read it (see distribution_of()).
    What is not ASCII is left to that: only it knows the encoding."""
    if file in linecache.cache:
        return
    if file.startswith("<") and file.endswith(">"):
        linecache.cache[file] = (0, None, [], file)
        return
    try:
        content, status = _content(file), os.stat(file)
    except OSError:
        return  # there is no such file
    except ValueError:
        linecache.cache[file] = (0, None, [], file)  # a pipe, say, on which reading would wait
        return
    if content.isascii():
        linecache.cache[file] = (status.st_size, status.st_mtime, content.decode().splitlines(True), file)


def warn(module: str, file: str, decision: dict[str, Any], importing: list[str],
         importer: types.FrameType | None) -> None:
    """Issues the warning where CPython issues its own, at the line that imports. Raises it when a filter makes it an
    error."""
    # The C half of the module is always there; the other one imports much more (see distribution_of()).
    import _warnings as warnings

    text = text_of(module, file, decision, importing)
    place = ("sys", 1) if importer is None else (importer.f_code.co_filename, importer.f_lineno or 1)
    name = None if importer is None else importer.f_globals.get("__name__")
    _remember_source(place[0])
    warnings.warn_explicit(
        FallbackWarning(text),
        None,  # the message is a warning already
        place[0],
        place[1],
        module="sys" if importer is None else name if isinstance(name, str) else "<unknown>",
        registry={},  # each culprit has a text of its own: there is nothing to remember
    )
