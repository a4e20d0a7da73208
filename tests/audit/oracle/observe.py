# Run by the free-threaded interpreter, in a process of its own for each extension module: imports it and writes down
# what happened to the GIL. Arguments: result file, "import" or "create", suffixes of extension modules other than the
# interpreter's own, module name, its file, folders for sys.path.
#
# The interpreter runs with -v: it then names on stderr *every* module that requires the GIL, while its warning names
# only the first one, which may be another one that is imported on the way.
#
# SPDX-License-Identifier: MIT
import importlib
import importlib.machinery
import importlib.util
import json
import os
import sys
import warnings

result_file, how, suffixes, name, file, *folders = sys.argv[1:]
if suffixes:
    machinery = importlib.machinery
    sys.path_hooks.insert(0, machinery.FileFinder.path_hook(
        (machinery.ExtensionFileLoader, [*suffixes.split(":"), *machinery.EXTENSION_SUFFIXES]),
        (machinery.SourceFileLoader, machinery.SOURCE_SUFFIXES),
        (machinery.SourcelessFileLoader, machinery.BYTECODE_SUFFIXES)))
    sys.path_importer_cache.clear()
    # A function that this interpreter lacks only matters if it is called.
    sys.setdlopenflags(os.RTLD_LAZY)
sys.path[:0] = folders


def observe():
    """Imports the module, as everybody does; or only creates it, which is when CPython decides about the GIL."""
    if how == "import":
        module = importlib.import_module(name)
    else:
        loader = importlib.machinery.ExtensionFileLoader(name, file)
        module = importlib.util.module_from_spec(importlib.util.spec_from_file_location(name, file, loader=loader))
    # It was not another file of the same name: a .py beside it, or another distribution.
    origin = getattr(getattr(module, "__spec__", None), "origin", None)
    if origin is not None and os.path.realpath(origin) != os.path.realpath(file):
        raise ImportError(f"{name} is {origin}, not {file}")


with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    before = sys._is_gil_enabled()
    try:
        observe()
        error = None
    except BaseException as failure:  # modules also raise SystemExit
        error = f"{type(failure).__name__}: {failure}"
    after = sys._is_gil_enabled()

text = json.dumps({
    "before": before,
    "after": after,
    "error": error,
    "warnings": [str(one.message) for one in caught if one.category is RuntimeWarning and "GIL" in str(one.message)],
})
with open(result_file, "w", encoding="utf-8") as out:
    out.write(text)
# Nothing of what modules do at exit is of interest, and some of it crashes.
sys.stderr.flush()
os._exit(0)
