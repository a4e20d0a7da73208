#!/usr/bin/env python3
"""Writes audit/src/c_api_results.inc: what each function of CPython's C API returns, taken from the headers.

usage: c_api_results.py INCLUDE_FOLDER...     (of several versions: later ones add to earlier ones)

SPDX-License-Identifier: MIT
"""
import pathlib
import re
import sys

DECLARATION = re.compile(r"PyAPI_FUNC\s*\(([^()]*(?:\([^()]*\))?[^()]*)\)\s*(\w+)\s*\(")
OBJECTS = re.compile(r"^(?:const )?(Py\w*Object|PyObject|PyThreadState|PyInterpreterState|struct \w+|Py\w+) \*+$")


def kind(result):
    """One of none, number, object, text, memory: what a stand-in has to hand back."""
    text = re.sub(r"\bPy_DEPRECATED\(.*?\)|\bPy_NO_INLINE\b|\bPy_GCC_ATTRIBUTE\(.*\)", " ", result)
    text = re.sub(r"\s*\*\s*", " *", " ".join(text.split())).replace("* *", "**").strip()
    if text == "void":
        return "none"
    if re.match(r"^(const )?(unsigned )?char \*", text) or "wchar_t *" in text:
        return "text"
    if re.match(r"^(const )?(PyObject|PyTypeObject|Py\w+Object|PyThreadState|PyInterpreterState|PyCodeObject) \*$", text):
        return "object"
    if "*" in text:
        return "memory"
    return "number"


def main():
    found = {}
    for folder in sys.argv[1:]:
        for header in sorted(pathlib.Path(folder).rglob("*.h")):
            if "internal" in header.parts:
                continue
            text = re.sub(r"/\*.*?\*/", " ", header.read_text(errors="replace"), flags=re.S)
            text = re.sub(r"//[^\n]*", " ", text)
            for match in DECLARATION.finditer(text):
                found[match.group(2)] = kind(match.group(1))
    target = pathlib.Path(__file__).resolve().parent.parent / "src" / "c_api_results.inc"
    lines = ["// Written by audit/tools/c_api_results.py from CPython's headers: function, and what it returns.", "//",
             "// SPDX-License-Identifier: MIT"]
    lines += [f'{{"{name}", Returns::{what}}},' for name, what in sorted(found.items())]
    target.write_text("\n".join(lines) + "\n")
    print(f"{len(found)} functions")


if __name__ == "__main__":
    main()
