#!/usr/bin/env python3
"""Writes audit/src/emulation/c_api_results.inc: what each function of CPython's C API returns and takes, and since when it is
there and until when, from the headers of several versions.

usage: c_api_results.py VERSION=INCLUDE_FOLDER... [--library VERSION=LIBPYTHON]

What is neither in the headers of a version nor exported by its library on Linux is gone with that version.

Later versions add to earlier ones, and what they say of a function counts. No interpreter before 3.13 is modelled as a
free-threaded one, so older headers only add functions that have been removed since.

Debian has the headers as binary packages (libpython3.14-dev, ...), in its newer suites. They can be had without a
change to the system: `apt-get download` with a configuration of its own (APT_CONFIG) that names another
Dir::State::Lists, Dir::Cache, an empty Dir::State::status and a list of sources, then `dpkg-deb -x`.

SPDX-License-Identifier: MIT
"""
import pathlib
import re
import subprocess
import sys

DECLARATION = re.compile(r"PyAPI_FUNC\s*\(([^()]*(?:\([^()]*\))?[^()]*)\)\s*(\w+)\s*\(")
# Not in the registers that hold integers, or in two of them on a machine of 32 bits.
ELSEWHERE = re.compile(r"^(?:const )?(?:double|float|Py_complex|(?:unsigned )?(?:PY_)?LONG_LONG|"
                       r"(?:unsigned )?long long|u?int64_t|_?PyTime_t)\b(?!.*\*)")


# The first version that is modelled: what is in its headers, or in older ones, has no version in the table.
OLDEST = 13


def kind(result):
    """One of none, number, object, text, memory: what a stand-in has to hand back."""
    text = re.sub(r"\bPy_DEPRECATED\(.*?\)|\bPy_NO_INLINE\b|\bPy_GCC_ATTRIBUTE\(.*\)", " ", result)
    text = re.sub(r"\s*\*\s*", " *", " ".join(text.split())).replace("* *", "**").strip()
    if text == "void":
        return "none"
    if re.match(r"^(const )?(unsigned )?char \*", text) or "wchar_t *" in text:
        return "text"
    if re.match(r"^(const )?(PyObject|PyTypeObject|Py\w+Object|PyThreadState|PyInterpreterState) \*$", text):
        return "object"
    if "*" in text:
        return "memory"
    return "number"


def parameters(text, begin):
    """The parameters of the list that begins behind the parenthesis at `begin`, as text."""
    depth, start, found = 1, begin, []
    for end in range(begin, len(text)):
        if text[end] in "([":
            depth += 1
        elif text[end] in ")]":
            depth -= 1
        if depth == 0 or (depth == 1 and text[end] == ","):
            found.append(" ".join(text[start:end].split()))
            start = end + 1
        if depth == 0:
            break
    return [] if found in ([""], ["void"]) else found


def count(found):
    """As the table has it: ", 2" parameters; ", 2, true" and more; nothing when it is not known where they are."""
    if any(ELSEWHERE.match(one) for one in found):
        return ""
    return f", {len(found) - 1}, true" if found and found[-1] == "..." else f", {len(found)}"


def gone_with(folder, library):
    """What a name must be in to be there still: the names in the headers, and those that the library exports."""
    text = "".join(header.read_text(errors="replace") for header in pathlib.Path(folder).rglob("*.h"))
    done = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True)
    exported = {entry.split()[-1].partition("@")[0] for entry in done.stdout.splitlines() if entry.split()}
    return set(re.findall(r"\b_?Py\w+", text)) | exported


def line(name, what, takes, since, until):
    if until:
        takes = takes or ", not_known"
        takes = takes if takes.endswith("true") else takes + ", false"
        return f'{{"{name}", Returns::{what}{takes}, {since if since > OLDEST else 0}, {until}}},'
    if since <= OLDEST:
        return f'{{"{name}", Returns::{what}{takes}}},'
    takes = takes or ", not_known"
    return f'{{"{name}", Returns::{what}{takes if takes.endswith("true") else takes + ", false"}, {since}}},'


def main():
    found, since, until = {}, {}, {}
    given = sys.argv[1:]
    libraries = {}
    if "--library" in given:
        at = given.index("--library")
        libraries = dict(argument.partition("=")[::2] for argument in given[at + 1:])
        given = given[:at]
    folders = [argument.partition("=")[::2] for argument in given]
    for version, folder in sorted(folders, key=lambda one: int(one[0].removeprefix("3."))):
        minor = int(version.removeprefix("3."))
        for header in sorted(pathlib.Path(folder).rglob("*.h")):
            text = re.sub(r"/\*.*?\*/", " ", header.read_text(errors="replace"), flags=re.S)
            text = re.sub(r"//[^\n]*", " ", text)
            for match in DECLARATION.finditer(text):
                # What was exported for the interpreter's own modules was there, too.
                since.setdefault(match.group(2), minor)
                if "internal" not in header.parts:
                    found[match.group(2)] = kind(match.group(1)), count(parameters(text, match.end()))
    for version, library in sorted(libraries.items()):
        minor = int(version.removeprefix("3."))
        there = gone_with(dict(folders)[version], library)
        for name in found:
            # Functions for Windows are in no library on Linux.
            of_python = name.startswith(("Py", "_Py")) and "Windows" not in name and "MBCS" not in name
            if of_python and since[name] <= minor and name not in there:
                until.setdefault(name, minor)
    target = pathlib.Path(__file__).resolve().parent.parent / "src" / "emulation" / "c_api_results.inc"
    lines = ["// Written by audit/tools/c_api_results.py from CPython's headers: function, what it returns, how many",
             "// parameters it has, whether there are more, the minor version in which it is new (none, 0: 3.13 or",
             "// before), and the one from which on it is not there any more (none: it still is).",
             "//",
             "// SPDX-License-Identifier: MIT"]
    lines += [line(name, what, takes, since[name], until.get(name, 0)) for name, (what, takes) in sorted(found.items())]
    target.write_text("\n".join(lines) + "\n")
    print(f"{len(found)} functions, {sum(since[name] > OLDEST for name in found)} of them newer than 3.{OLDEST}")


if __name__ == "__main__":
    main()
