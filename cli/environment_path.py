# Comes before environment.py, as one program: the path that the interpreter would have, with what editable installs add
# to it, and which extension modules there are. Nothing of it is executed.
#
# SPDX-License-Identifier: MIT
import ast
import importlib.machinery
import json
import os
import re
import sys
import tokenize

SUFFIXES = importlib.machinery.EXTENSION_SUFFIXES
notes = []
unseen = []  # editable installs of which it is not known what they add


def note(text):
    if text not in notes:
        notes.append(text)


def listed(folder):
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def parsed(file):
    with tokenize.open(file) as stream:
        return ast.parse(stream.read())


# ---- editable installs ----

class Editable:
    """What finders of editable installs would find, as far as it is written in them."""

    def __init__(self):
        self.modules = {}     # name: a file, or a folder or file without its suffix
        self.namespaces = {}  # packages without a file: their folders
        self.tops = {}        # by the name of the finder, or of the .pth file: top-level names

    def read(self, folder, finder):
        """Whether the finder says what it finds."""
        try:
            tree = parsed(os.path.join(folder, f"{finder}.py"))
        except (OSError, SyntaxError, ValueError, RecursionError):
            return False
        found, namespaces, on_path = {}, {}, False
        statements = list(tree.body)
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name == "entrypoint":  # of a .start file
                statements += node.body
        for node in statements:
            try:
                on_path |= self.read_statement(node, folder, found, namespaces)
            except (ValueError, TypeError, AttributeError, IndexError, RecursionError):
                continue
        if not found:
            return on_path
        for name, place in found.items():
            self.modules.setdefault(name, place)
        for name, folders in namespaces.items():
            self.namespaces.setdefault(name, folders)
        self.tops[finder] = {name.partition(".")[0] for name in found}
        return True

    @staticmethod
    def read_statement(node, folder, found, namespaces):
        """True where all that it finds is on the path as well."""
        texts = lambda values: {str(key): str(value) for key, value in ast.literal_eval(values).items()}
        if isinstance(node, (ast.Assign, ast.AnnAssign)):  # setuptools
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if target.id == "MAPPING":
                found.update(texts(node.value))
            elif target.id == "NAMESPACES":
                namespaces.update({str(name): [str(one) for one in folders]
                                   for name, folders in ast.literal_eval(node.value).items()})
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            call = node.value
            if isinstance(call.func, ast.Attribute) and call.func.attr == "map_module":  # editables
                found[str(ast.literal_eval(call.args[0]))] = str(ast.literal_eval(call.args[1]))
            elif isinstance(call.func, ast.Name) and call.func.id == "install":  # scikit-build-core
                found.update(texts(call.args[0]))
                found.update({name: os.path.join(folder, place) for name, place in texts(call.args[1]).items()})
            else:
                return isinstance(call.func, ast.Name) and call.func.id == "install_inplace"  # scikit-build-core
        return False

    def knows(self, name):
        return name in self.modules or name in self.namespaces or \
            any(one.startswith(name + ".") for one in self.modules)

    def find(self, name):
        """File and folders of a module that knows() knows; the file may be None."""
        place = self.modules.get(name)
        if place is None:
            return None, list(self.namespaces.get(name, []))
        if os.path.isfile(place):
            return place, [os.path.dirname(place)] if os.path.basename(place).startswith("__init__.") else None
        init = os.path.join(place, "__init__.py")
        if os.path.isfile(init):
            return init, [place]
        for suffix in SUFFIXES + [".py"]:
            if os.path.isfile(place + suffix):
                return place + suffix, None
        return None, [place] if os.path.isdir(place) else []


editable = Editable()


def run_line(folder, name, line):
    """A line of a .pth or .start file that is code."""
    finder = re.match(r"(?:import\s+)?([A-Za-z_]\w*)", line)
    whole = os.path.join(folder, name)
    if finder and "editable" in (name + finder[1]).lower():
        if not editable.read(folder, finder[1]):
            unseen.append(whole)
            note(f"{whole} is an editable install by code, and which modules it adds is not seen")
    elif name == "distutils-precedence.pth":  # of setuptools, which has what Python 3.12 dropped
        editable.namespaces.setdefault("distutils", [os.path.join(folder, "setuptools", "_distutils")])
    elif name != "interlock_children.pth":
        note(f"{whole} runs code at each start, and what it adds is not seen")


# ---- the path ----

def configuration():
    """Of a virtual environment: its folder, and whether it sees the packages of the system."""
    for folder in (os.path.dirname(sys.executable), os.path.dirname(os.path.dirname(sys.executable))):
        try:
            with open(os.path.join(folder, "pyvenv.cfg"), encoding="utf-8") as file:
                values = dict((key.strip().lower(), value.strip().lower()) for key, equals, value in
                              (line.partition("=") for line in file) if equals)
        except OSError:
            continue
        return folder, values.get("include-system-site-packages") == "true"
    return None, True


def add(path, folder):
    folder = os.path.abspath(folder)
    if os.path.exists(folder) and folder not in path:
        path.append(folder)


def add_site(path, folder):
    add(path, folder)
    for name in listed(folder):
        runs = name.endswith(".start") and sys.version_info >= (3, 15)  # PEP 829
        if not (name.endswith(".pth") or runs) or name.startswith("."):
            continue
        try:
            with open(os.path.join(folder, name), encoding="utf-8-sig", errors="replace") as file:
                lines = [line.strip() for line in file]
        except OSError:
            continue
        for line in lines:
            if line.startswith(("import ", "import\t")) or (runs and line and not line.startswith("#")):
                run_line(folder, name, line)
            elif line and not line.startswith("#"):
                added = os.path.join(folder, line)
                add(path, added)
                editable.tops.setdefault(name, set()).update(importable_in(added))


def importable_in(folder):
    """Names of the modules and packages in a folder."""
    for name in listed(folder):
        stem = name.partition(".")[0]
        if stem.isidentifier() and (os.path.isdir(os.path.join(folder, name)) or name.endswith((".py", *SUFFIXES))):
            yield stem


def search_path(first):
    import site  # under -S it does nothing by itself
    path = []
    for folder in first + [one for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]:
        add(path, folder)
    own, system = configuration()
    prefixes = [own] if own else []
    if system:
        prefixes += [sys.base_prefix, sys.base_exec_prefix]
        user = site.getusersitepackages()
        if not own and os.path.isdir(user) and not os.environ.get("PYTHONNOUSERSITE"):
            add_site(path, user)
    for folder in site.getsitepackages(list(dict.fromkeys(prefixes))):
        if os.path.isdir(folder):
            add_site(path, folder)
    return path


# ---- what is there ----

def extensions_below(folder, prefix="", only_packages=False):
    for name in listed(folder):
        full = os.path.join(folder, name)
        if os.path.isdir(full):
            if name.isidentifier() and not os.path.islink(full) and \
                    not (only_packages and not os.path.exists(os.path.join(full, "__init__.py"))):
                yield from extensions_below(full, f"{prefix}{name}.", only_packages)
            continue
        suffix = suffix_of(name)
        if suffix is None:
            continue
        stem = name.removesuffix(suffix)
        if stem == "__init__" and prefix:
            yield prefix[:-1], full
        elif stem.isidentifier():
            yield prefix + stem, full


def suffix_of(name):
    return next((one for one in SUFFIXES if name.endswith(one)), None)


def mapped_extensions():
    for name in editable.modules:
        file, folders = editable.find(name)
        if file is not None and suffix_of(file) is not None:
            yield name, file
        for folder in folders or []:
            yield from extensions_below(folder, f"{name}.")
    for name, folders in editable.namespaces.items():
        for folder in folders:
            yield from extensions_below(folder, f"{name}.")


def all_extensions(path, with_other_things=(), with_editable=True):
    """Of folders with other things in them only packages count: a script may lie in anybody's home."""
    found = {}
    for folder in path:
        for name, file in extensions_below(folder, only_packages=folder in with_other_things):
            if not is_text(file):
                note(f"{ascii(file)} has a name that is no UTF-8, and is left out")
                continue
            # Of several files for one name the first suffix, and the first folder, win, as in an import.
            best = found.get(name)
            if best is None or (os.path.dirname(best) == os.path.dirname(file) and rank(file) < rank(best)):
                found[name] = file
    for name, file in mapped_extensions() if with_editable else ():
        if is_text(file):
            found.setdefault(name, file)
    return found


def is_text(name):
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def rank(file):
    return next(i for i, suffix in enumerate(SUFFIXES) if file.endswith(suffix))


def loaded_libraries():
    """Of this process: an extension module that needs one of them has it."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
            files = {line[line.index("/"):].rstrip("\n") for line in maps if "/" in line}
    except OSError:
        return []
    return sorted(file for file in files if ".so" in os.path.basename(file) and is_text(file))
