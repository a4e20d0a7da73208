"""The warning about a module for which the GIL is turned on: who, why, and the ways out.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import linecache  # here, as an import takes long while other threads work
import sys

TYPE_CHECKING = False  # as in typing, which takes a third of the time that this package has to start
if TYPE_CHECKING:
    import types
    from collections.abc import Iterator

# CPython's own text (Python/import.c), so that filters for it go on to work.
_HEADLINE = (
    "The global interpreter lock (GIL) has been enabled to load module '{}', which has not declared that it can run "
    "safely without the GIL. To override this behavior and keep the GIL disabled (at your own risk), run with "
    "PYTHON_GIL=0 or -Xgil=0."
)


class FallbackWarning(RuntimeWarning):
    """The GIL is turned on for a module. As an error it refuses the import, before anything is switched."""


def _frames() -> Iterator[types.FrameType]:
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_machinery(frame: types.FrameType) -> bool:
    file = frame.f_code.co_filename
    return file.startswith("<frozen importlib") or frame.f_globals.get("__name__", "").split(".")[0] == "interlock"


def users_frame() -> types.FrameType | None:
    """The innermost frame that is neither of the import system nor interlock's."""
    return next((frame for frame in _frames() if not _is_machinery(frame)), None)


def import_chain() -> list[str]:
    """The modules that are being imported on this thread, the innermost first."""
    names: list[str] = []
    for frame in _frames():
        code = frame.f_code
        if code.co_name == "_find_and_load" and code.co_filename.startswith("<frozen importlib"):
            name = frame.f_locals.get("name")
            if isinstance(name, str) and name not in names:
                names.append(name)
    return names


def distribution_of(module: str, file: str) -> tuple[str, str] | None:
    """Name and version of the installed distribution that lists the file.

    Not by importlib.metadata: what it imports allocates so much that the garbage collector stops all threads again and
    again, which takes seconds when they are busy.
    """
    import os

    root = os.path.dirname(file)
    for _ in range(module.count(".") + (os.path.basename(file).partition(".")[0] == "__init__")):
        root = os.path.dirname(root)
    listed = "\n" + file[len(root) + 1:].replace(os.sep, "/") + ","
    top = module.partition(".")[0].lower()
    try:
        folders = [name for name in os.listdir(root) if name.endswith(".dist-info")]
        for folder in sorted(folders, key=lambda name: not name.lower().startswith(top)):
            with open(os.path.join(root, folder, "RECORD"), encoding="utf-8") as record:
                if listed not in "\n" + record.read():
                    continue
            with open(os.path.join(root, folder, "METADATA"), encoding="utf-8") as metadata:
                header = "\n" + metadata.read().partition("\n\n")[0] + "\n"
            return (header.partition("\nName:")[2].partition("\n")[0].strip(),
                    header.partition("\nVersion:")[2].partition("\n")[0].strip())
    except (OSError, ValueError):  # broken metadata must not break an import
        pass
    return None


def text_of(module: str, file: str, decision: dict, chain: list[str], user: str | None) -> str:
    lines = [_HEADLINE.format(module), f"  file         {file}"]
    if distribution := distribution_of(module, file):
        lines.append(f"  package      {distribution[0]} {distribution[1]}")
    lines += [f"  why          {reason['text']}" for reason in decision["why"]]
    lines += [f"  evidence     {one}" for one in decision["evidence"]]
    if len(chain) > 1:
        lines.append(f"  imported by  {' <- '.join(chain)}")
    if user is not None:
        lines.append(f"  your line    {user}")
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
    import os

    try:
        if file not in linecache.cache:
            with open(file, "rb") as source:
                content, status = source.read(), os.fstat(source.fileno())
            if content.isascii():
                lines = content.decode().splitlines(True)
                linecache.cache[file] = (status.st_size, status.st_mtime, lines, file)
    except (OSError, ValueError):
        pass  # there is no such file


def warn(module: str, file: str, decision: dict) -> None:
    """Issues the warning at the user's line. Raises it when a filter makes it an error."""
    # The C half of the module is always there; the other one imports much more (see distribution_of()).
    import _warnings as warnings

    frame = users_frame()
    place = ("sys", 1) if frame is None else (frame.f_code.co_filename, frame.f_lineno)
    user = None if frame is None else f"{place[0]}:{place[1]} ({frame.f_code.co_name})"
    _remember_source(place[0])
    warnings.warn_explicit(
        FallbackWarning(text_of(module, file, decision, import_chain(), user)),
        None,  # type: ignore[arg-type]  # the message is a warning already
        place[0],
        place[1],
        module="sys" if frame is None else frame.f_globals.get("__name__", "<unknown>"),
        registry={},  # each culprit has a text of its own: there is nothing to remember
    )
