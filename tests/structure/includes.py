#!/usr/bin/env python3
"""Reads the includes of the whole tree and holds them against the tables in docs/design.md, which say what may use what.

usage: includes.py [TREE]

A table has the columns "folder", anything, and "uses". A folder uses itself, what its row names, and what these use in
turn; folders within audit/src use what the row of audit/ names as well. What is not listed is not looked at (tests/,
bench/). A component uses of another one the headers in include/ and private/ only. Its CMakeLists.txt takes no sources
of a component that it may not use.

Prints what breaks this, one line each, and ends with 1; 2: the tables are not what they should be.

SPDX-License-Identifier: MIT
"""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^">]+)[">]', re.MULTILINE)
SUFFIXES = {".c", ".cpp", ".h", ".hpp", ".inc", ".in"}
ROW = re.compile(r"^\| `([\w/]+)/` \|[^|]*\|([^|]*)\|$")


def read_tables(design):
    """Of each folder in the tables those that it may use, all the way down."""
    direct = {}
    for line in design.read_text().splitlines():
        row = ROW.match(line)
        if not row:
            continue
        folder, uses = row.groups()
        if folder in direct:
            raise ValueError(f"{folder}/ is in the tables twice")
        direct[folder] = re.findall(r"`([\w/]+?)/?`", uses)
    for folder in list(direct):
        component = folder.split("/")[0]
        if component != folder:
            # A wing is named as in the includes: "image" is audit/src/image.
            direct[folder] = [component + "/src/" + wing for wing in direct[folder]] + direct.get(component, [])
    known = {}

    def all_of(folder, path):
        if folder in path:
            raise ValueError("a circle: " + " -> ".join([*path, folder]))
        if folder not in direct:
            raise ValueError(f"{path[-1]}/ may use {folder}/, which has no row")
        if folder not in known:
            known[folder] = {folder}.union(*(all_of(one, [*path, folder]) for one in direct[folder]))
        return known[folder]

    for folder in direct:
        all_of(folder, [])
    return known


class Tree:
    def __init__(self, root):
        self.root = root
        self.uses = read_tables(root / "docs" / "design.md")
        self.components = [folder for folder in self.uses if "/" not in folder and (root / folder).is_dir()]
        self.public = {}  # "interlock/escape.hpp" -> component
        for component in self.components:
            for header in (root / component / "include").rglob("*.h*"):
                name = header.relative_to(root / component / "include").as_posix()
                self.public[name] = component

    def place(self, path):
        """The innermost folder of the tables that a file is in."""
        parts = path.relative_to(self.root).parts
        for length in range(len(parts) - 1, 0, -1):
            if "/".join(parts[:length]) in self.uses:
                return "/".join(parts[:length])
        return None

    def found(self, path, quoted, name):
        """The file in the tree that an include means; None for those of the system and the libraries."""
        if name in self.public:
            return self.root / self.public[name] / "include" / name
        component = path.relative_to(self.root).parts[0]
        folders = [self.root / component / "src"]
        folders += [self.root / other / kind for other in self.components for kind in ("private", "src")]
        for folder in ([path.parent] if quoted else []) + folders:
            if (folder / name).is_file():
                return (folder / name).resolve()
        return None

    def complaints(self):
        for component in self.components:
            for path in sorted((self.root / component).rglob("*")):
                if path.suffix in SUFFIXES and path.is_file():
                    yield from self.complaints_about(path)
            yield from self.complaints_about_build(component)

    def complaints_about(self, path):
        text = path.read_text(errors="replace")
        for match in INCLUDE.finditer(text):
            target = self.found(path, match[1] == '"', match[2])
            if target is None:
                continue
            here, there = self.place(path), self.place(target)
            where = f"{path.relative_to(self.root)}:{text.count(chr(10), 0, match.start()) + 1}"
            target = target.relative_to(self.root)
            # What lies in a component itself puts its folders together, and its public headers are for all of them.
            component = here.split("/")[0]
            if component == there.split("/")[0] and (here == component or target.parts[1] == "include"):
                continue
            if there not in self.uses[here]:
                yield f"{where}: {here}/ must not use {there}/, and includes {target}"
            elif component != there.split("/")[0] and target.parts[1] == "src":
                yield f"{where}: {target} is private to {there}/"

    def complaints_about_build(self, component):
        build = self.root / component / "CMakeLists.txt"
        if not build.is_file():
            return
        for number, line in enumerate(build.read_text().splitlines(), 1):
            for other in re.findall(r"(?:\.\./|\$\{PROJECT_SOURCE_DIR\}/)(\w+)/", line.split("#")[0]):
                if other in self.uses and other not in self.uses[component]:
                    yield f"{build.relative_to(self.root)}:{number}: {component}/ must not use {other}/"


def main(arguments):
    root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).parents[2]).resolve()
    try:
        tree = Tree(root)
    except (OSError, ValueError) as error:
        print(f"docs/design.md: {error}")
        return 2
    if not tree.components:
        print("docs/design.md: no table of folders")
        return 2
    complaints = list(tree.complaints())
    print("\n".join(complaints) if complaints else f"{len(tree.uses)} folders use what they may")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
