# Run by `interlock plan --python` as `python -I -S -c`, behind environment_path.py: which extension modules a program
# reaches by its imports, and which of these imports find nothing. Nothing of what it reads is executed; so lines of
# .pth files that are code are only named.
#
# SPDX-License-Identifier: MIT
import importlib.metadata
import sysconfig


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
            # Of an editable install there is only what leads to it.
            for leads in {file.removesuffix(".py") for file in files} & editable.tops.keys():
                self.tops[name] = (self.tops[name] - {leads}) | editable.tops[leads]
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


# Whether an import statement runs: at each import of its module, when a function is called, when a condition holds; or
# somebody is prepared for its failure.
SURE, LATER, PERHAPS, GUARDED = "sure", "later", "perhaps", "guarded"


def import_statements(nodes, how=SURE, is_main=False):
    for node in nodes:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node, how
        elif isinstance(node, ast.ClassDef):
            yield from import_statements(node.body, how)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from import_statements(node.body, LATER if how == SURE else how)
        elif isinstance(node, ast.If):
            test = ast.unparse(node.test)
            body = how if is_main and "__name__" in test and "__main__" in test else \
                GUARDED if "TYPE_CHECKING" in test else weaker(how, PERHAPS)
            yield from import_statements(node.body, body)
            yield from import_statements(node.orelse, weaker(how, PERHAPS))
        elif isinstance(node, (ast.Try, getattr(ast, "TryStar", ast.Try))):
            body = GUARDED if any(map(catches_missing_modules, node.handlers)) else how
            yield from import_statements(node.body, body)
            yield from import_statements(node.orelse, weaker(body, how))
            for handler in node.handlers:
                yield from import_statements(handler.body, GUARDED)
            yield from import_statements(node.finalbody, how)
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            careful = any("suppress" in ast.unparse(item.context_expr) for item in node.items)
            yield from import_statements(node.body, GUARDED if careful else how)
        else:  # loops and the like
            for part in ("body", "orelse", "cases"):
                inner = getattr(node, part, [])
                for one in inner if isinstance(inner, list) else []:
                    yield from import_statements(one.body if part == "cases" else [one], weaker(how, PERHAPS))


def weaker(one, other):
    order = (SURE, LATER, PERHAPS, GUARDED)
    return max(one, other, key=order.index)


def catches_missing_modules(handler):
    if handler.type is None:
        return True
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {getattr(one, "id", getattr(one, "attr", None)) for one in types}
    return bool(names & {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


# What adds folders to the path, of which nothing is known; and what makes modules out of nothing.
EXTENDS_PATH = re.compile(r"\bsys\s*\.\s*path\s*(\[|\+=|\.\s*(insert|append|extend)\b)|\baddsitedir\b")
MAKES_MODULES = re.compile(r"\bsys\s*\.\s*modules\b|\bmeta_path\b|\b__path__\b|\bextend_path\b")


class Reach:
    def __init__(self, path, script, distributions):
        self.path, self.distributions = path, distributions
        self.chains, self.found, self.extensions = {}, {}, {}
        self.edges = {}             # of a module: what it imports, where, and how sure that is
        self.own = set()            # modules that belong to no distribution
        self.extends_path = set()
        self.makes_modules = set()  # or are no source, of which nothing is known
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
        file, locations = self.find(name, where)
        self.chains[name] = None if file is None and locations is None else importer
        if self.chains[name] is None:
            return False
        self.found[name] = locations
        if file and suffix_of(file) is not None and is_text(file):
            self.extensions[name] = file
            self.makes_modules.add(name)
        elif file and file.endswith(".py"):
            foreign = top in self.distributions.of_top or "/site-packages/" in file or "/dist-packages/" in file
            self.source(file, name, name if locations is not None else parent, foreign)
        return True

    @staticmethod
    def find(name, where):
        """File and folders; both None where nothing is found."""
        try:
            spec = importlib.machinery.PathFinder.find_spec(name, where)
            locations = None if spec is None or spec.submodule_search_locations is None else \
                list(spec.submodule_search_locations)
        except Exception:  # of a folder without __init__ in a package, which the finder takes to be imported
            folders = [os.path.join(folder, name.rpartition(".")[2]) for folder in where]
            return None, [folder for folder in folders if os.path.isdir(folder)] or None
        if (spec is None or spec.origin is None) and editable.knows(name):
            return editable.find(name)
        return (None, None) if spec is None else (spec.origin, locations)

    def source(self, file, module, package, foreign):
        try:
            with tokenize.open(file) as stream:
                text = stream.read()
            tree = ast.parse(text)
            how = {id(node): kind for node, kind in import_statements(tree.body, is_main=module == "__main__")}
        except OSError as error:
            if module == "__main__":
                raise SystemExit(f"cannot read {file}: {error.strerror}")
            return
        except (SyntaxError, ValueError, RecursionError) as error:
            if module == "__main__":
                raise SystemExit(f"cannot parse {file}: {error}")
            note(f"cannot parse {file}, so what it imports is not seen: {error}")
            return
        if not foreign:
            self.own.add(module)
        if MAKES_MODULES.search(text):
            self.makes_modules.add(module)
        if EXTENDS_PATH.search(text):
            self.extends_path.add(module)
        edges = self.edges.setdefault(module, [])
        for node in ast.walk(tree):
            here = f"{file}:{getattr(node, 'lineno', 0)}" if module == "__main__" else module
            if isinstance(node, ast.Import):
                self.queue += [(alias.name, here) for alias in node.names]
                edges += [(alias.name, f"{file}:{node.lineno}", how.get(id(node), GUARDED)) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = self.imported_from(node, package, here)
                if base:
                    place, kind = f"{file}:{node.lineno}", how.get(id(node), GUARDED)
                    edges.append((base, place, kind))
                    # Without a module of the name it is something in the other one.
                    edges += [(f"{base}.{alias.name}", None, kind) for alias in node.names]
            elif isinstance(node, ast.Call):
                self.call(node, package, here, foreign, file)
            if isinstance(node, (ast.Name, ast.Attribute)):
                name = node.id if isinstance(node, ast.Name) else node.attr
                self.asks_for_plugins |= name in PLUGINS

    def missing(self):
        """Imports that run and find nothing: of the program's own code also those in functions."""
        certain, queue, lost = {"__main__"}, ["__main__"], {}
        while queue:
            module = queue.pop()
            for target, place, how in self.edges.get(module, []):
                if target.startswith("."):  # of a script that may be meant for `python -m`
                    continue
                runs = how == SURE or (how == LATER and module in self.own)
                names = [target[:end] for end in range(len(target)) if target[end] == "."] + [target]
                for name in names if runs else ():
                    if self.chains.get(name) is not None and name not in certain:
                        certain.add(name)
                        queue.append(name)
                name = next((name for name in names if self.is_lost(name)), None)
                if place is None or name is None:
                    continue
                if runs:
                    lost.setdefault(name, (place, module))
                elif how == PERHAPS and module in self.own:
                    note(f"{place}: there is no module {name}; whether this import runs is not known")
        return [{"module": name, "imported_at": place} for name, (place, module) in sorted(lost.items())
                if not self.may_be_elsewhere(name, place, module, certain)]

    def may_be_elsewhere(self, name, place, module, certain):
        parent = name.rpartition(".")[0]
        if parent:
            if self.is_made_by_code(name):
                note(f"{place}: there is no file for {name}, which {parent} may make by itself")
                return True
            return False
        # What a package adds to the path is for itself.
        for other in sorted(self.extends_path & certain):
            if other in self.own or module not in self.own:
                note(f"{place}: there is no module {name}, unless it is where {other} extends the path to")
                return True
        return False

    def is_lost(self, name):
        parent = name.rpartition(".")[0]
        if name.partition(".")[0] in sys.stdlib_module_names or self.chains.get(name) is not None:
            return False
        return not parent or self.chains.get(parent) is not None

    def is_made_by_code(self, name):
        while name := name.rpartition(".")[0]:
            if name in self.makes_modules or self.found.get(name) is None:
                return True
        return False

    def imported_from(self, node, package, here):
        base = node.module or ""
        if node.level:
            parts = package.split(".")
            parts = parts[:len(parts) - node.level + 1]
            base = ".".join(parts + ([base] if base else []))
        if not base:
            return None
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
        return base

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
    return modules, reach.missing()


def main():
    target = sys.argv[1] if len(sys.argv) > 1 else None
    is_folder = target is not None and os.path.isdir(target)
    first = [] if target is None else [target] if is_folder else [os.path.dirname(os.path.abspath(target))]
    path = search_path(first)
    everything = all_extensions([os.path.abspath(target)] if is_folder else path, () if is_folder else first,
                                not is_folder)
    missing = []
    if target is None or is_folder:
        modules = [{"module": name, "file": file, "reached": "all", "by": []}
                   for name, file in sorted(everything.items())]
    else:
        modules, missing = reached(path, target, everything)
    print(json.dumps({"version": sys.version_info[:2], "modules": modules, "notes": notes,
                      "everything": everything, "missing": missing, "unseen": [] if is_folder else unseen,
                      "path": [folder for folder in path
                               if is_text(folder) and folder not in map(os.path.abspath, first)],
                      "libraries": loaded_libraries(),
                      "executable": os.path.realpath(sys.executable) if sys.platform == "linux" else "",
                      "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED"))}))


main()
