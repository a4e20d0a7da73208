# Run by `interlock plan --python` as `python -I -S -c`: which extension modules there are on the path that this
# interpreter would have, and which of them a program reaches by its imports. Nothing of what it reads is executed; so
# lines of .pth files that are code are only named.
#
# SPDX-License-Identifier: MIT
import ast
import importlib.machinery
import importlib.metadata
import json
import os
import re
import sys
import sysconfig
import tokenize

SUFFIXES = importlib.machinery.EXTENSION_SUFFIXES
notes = []


def note(text):
    if text not in notes:
        notes.append(text)


def listed(folder):
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


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
        if not name.endswith(".pth") or name.startswith("."):
            continue
        try:
            with open(os.path.join(folder, name), encoding="utf-8-sig", errors="replace") as file:
                lines = [line.strip() for line in file]
        except OSError:
            continue
        for line in lines:
            if line.startswith(("import ", "import\t")):
                if name not in ("distutils-precedence.pth", "interlock_children.pth"):
                    note(f"{os.path.join(folder, name)} runs code at each start, and what it adds is not seen")
            elif line and not line.startswith("#"):
                add(path, os.path.join(folder, line))


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
        suffix = next((one for one in SUFFIXES if name.endswith(one)), None)
        if suffix is None:
            continue
        stem = name.removesuffix(suffix)
        if stem == "__init__" and prefix:
            yield prefix[:-1], full
        elif stem.isidentifier():
            yield prefix + stem, full


def all_extensions(path, with_other_things=()):
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
    return found


def is_text(name):
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def rank(file):
    return next(i for i, suffix in enumerate(SUFFIXES) if file.endswith(suffix))


def normalized(name):
    return re.sub(r"[-_.]+", "-", name).lower()


class Distributions:
    def __init__(self, path):
        self.tops, self.requires, self.of_top, self.plugins = {}, {}, {}, set()
        for one in importlib.metadata.distributions(path=path):
            try:
                name = normalized(one.metadata["Name"])
                if name in self.tops:
                    continue
                files = [str(file) for file in one.files or []]
                self.requires[name] = [normalized(re.match(r"\s*([\w.-]+)", text)[1]) for text in one.requires or []]
                if any(point.group not in ("console_scripts", "gui_scripts") for point in one.entry_points):
                    self.plugins.add(name)
            except Exception as error:
                note(f"the metadata of a distribution cannot be read: {type(error).__name__}: {error}")
                continue
            self.tops[name] = {file.split("/")[0].split(".")[0] for file in files if not file.startswith("..")
                               and not file.split("/")[0].endswith((".dist-info", ".data", ".pth"))}
            for top in self.tops[name]:
                self.of_top.setdefault(top, set()).add(name)

    def with_requirements(self, names):
        queue = list(names)
        for one in queue:
            queue += [name for name in self.requires.get(one, []) if name in self.tops and name not in queue]
        return queue


# ---- what a program reaches ----

DYNAMIC = {"import_module", "__import__", "exec", "eval", "run_module", "run_path", "walk_packages", "iter_modules",
           "spec_from_file_location", "find_loader", "exec_module", "load_module"}
PLUGINS = {"entry_points", "iter_entry_points"}


class Reach:
    def __init__(self, path, script, distributions):
        self.path, self.distributions = path, distributions
        self.chains, self.found, self.extensions = {}, {}, {}
        self.dynamic, self.asks_for_plugins = None, False
        self.queue = []
        self.source(script, "__main__", "", False)
        while self.queue:
            name, importer = self.queue.pop(0)
            self.visit(name, importer)

    def visit(self, name, importer):
        """Whether there is such a module; its packages are imported first."""
        if name in self.chains:
            return self.chains[name] is not None
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names:
            return False
        parent = name.rpartition(".")[0]
        where = self.path
        if parent:
            if not self.visit(parent, importer):
                return False
            where = self.found[parent]
            if where is None:
                return False
        try:
            spec = importlib.machinery.PathFinder.find_spec(name, where)
        except Exception:
            spec = None
        self.chains[name] = None if spec is None else importer
        if spec is None:
            return False
        locations = spec.submodule_search_locations
        self.found[name] = None if locations is None else list(locations)
        if isinstance(spec.loader, importlib.machinery.ExtensionFileLoader) and is_text(spec.origin):
            self.extensions[name] = spec.origin
        elif spec.origin and spec.origin.endswith(".py"):
            self.source(spec.origin, name, name if locations is not None else parent,
                        top in self.distributions.of_top)
        return True

    def source(self, file, module, package, foreign):
        try:
            with tokenize.open(file) as stream:
                tree = ast.parse(stream.read())
        except OSError as error:
            if module == "__main__":
                raise SystemExit(f"cannot read {file}: {error.strerror}")
            return
        except (SyntaxError, ValueError, RecursionError) as error:
            if module == "__main__":
                raise SystemExit(f"cannot parse {file}: {error}")
            note(f"cannot parse {file}, so what it imports is not seen: {error}")
            return
        for node in ast.walk(tree):
            here = f"{file}:{getattr(node, 'lineno', 0)}" if module == "__main__" else module
            if isinstance(node, ast.Import):
                self.queue += [(alias.name, here) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                self.imported_from(node, package, here)
            elif isinstance(node, ast.Call):
                self.call(node, package, here, foreign, file)
            if isinstance(node, (ast.Name, ast.Attribute)):
                name = node.id if isinstance(node, ast.Name) else node.attr
                self.asks_for_plugins |= name in PLUGINS

    def imported_from(self, node, package, here):
        base = node.module or ""
        if node.level:
            parts = package.split(".")
            parts = parts[:len(parts) - node.level + 1]
            base = ".".join(parts + ([base] if base else []))
        if not base:
            return
        self.queue.append((base, here))
        for alias in node.names:
            if alias.name != "*":
                self.queue.append((f"{base}.{alias.name}", here))
            elif self.visit(base, here):
                # __all__ may name any of them.
                for folder in self.found[base] or []:
                    for name in listed(folder):
                        stem = name.split(".")[0]
                        if stem.isidentifier() and stem != "__init__":
                            self.queue.append((f"{base}.{stem}", here))

    def call(self, node, package, here, foreign, file):
        function = node.func
        name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
        if name not in DYNAMIC:
            return
        if name in ("import_module", "__import__") and node.args and isinstance(node.args[0], ast.Constant) and \
                isinstance(node.args[0].value, str):
            text = node.args[0].value
            if not text.startswith("."):
                self.queue.append((text, here))
                return
        # That of a package stays with the package and what it requires, as far as anybody can know.
        if not foreign and self.dynamic is None and isinstance(function, (ast.Name, ast.Attribute)):
            self.dynamic = f"{file}:{node.lineno}: {name}()"

    def chain(self, name):
        chain = []
        while name in self.chains and self.chains[name] and self.chains[name] not in chain:
            name = self.chains[name]
            chain.append(name)
        return chain


def reached(path, script, everything):
    distributions = Distributions(path)
    reach = Reach(path, script, distributions)
    modules = [{"module": name, "file": file, "reached": "imported", "by": reach.chain(name)}
               for name, file in sorted(reach.extensions.items())]
    if reach.dynamic is not None:
        note(f"{reach.dynamic} imports what only a run can tell, so every module counts as possible")
        tops = None
    else:
        tops = {name.partition(".")[0] for name, importer in reach.chains.items() if importer is not None}
        names = {one for top in tops for one in distributions.of_top.get(top, ())}
        if reach.asks_for_plugins:
            note("a package looks for plugins, so all that are installed count as possible")
            names |= distributions.plugins
        for one in distributions.with_requirements(names):
            tops |= distributions.tops[one]
    modules += [{"module": name, "file": file, "reached": "possible", "by": []}
                for name, file in sorted(everything.items())
                if name not in reach.extensions and (tops is None or name.partition(".")[0] in tops)]
    return modules


def main():
    target = sys.argv[1] if len(sys.argv) > 1 else None
    is_folder = target is not None and os.path.isdir(target)
    first = [] if target is None else [target] if is_folder else [os.path.dirname(os.path.abspath(target))]
    path = search_path(first)
    everything = all_extensions([os.path.abspath(target)] if is_folder else path, () if is_folder else first)
    if target is None or is_folder:
        modules = [{"module": name, "file": file, "reached": "all", "by": []}
                   for name, file in sorted(everything.items())]
    else:
        modules = reached(path, target, everything)
    print(json.dumps({"version": sys.version_info[:2], "modules": modules, "notes": notes,
                      "everything": everything,
                      "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED"))}))


main()
