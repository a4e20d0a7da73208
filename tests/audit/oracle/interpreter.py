# The judge: what a free-threaded CPython does when it imports the extension modules of the corpus. Each is imported in
# a fresh process. What was seen is kept in the cache, as neither a pinned wheel nor the interpreter changes.
#
# SPDX-License-Identifier: MIT
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import zipfile
from dataclasses import dataclass, replace

import wheels

OBSERVE = pathlib.Path(__file__).resolve().with_name("observe.py")
REQUIRES = re.compile(r"^# loading module '?(?P<name>.+?)'?, which requires the GIL$", re.MULTILINE)
WARNING = re.compile(r"\(GIL\) has been enabled to load module '(?P<name>.+?)',")
# What the dynamic linker and the import system say of a library that is no module.
NO_MODULE = re.compile(r"does not define module export function")
DEADLINE = 120  # seconds for one import; the longest known takes 5


class Broken(Exception):
    """The judge contradicts itself: nothing it says counts."""


@dataclass(frozen=True)
class Seen:
    """What the import of one module did."""

    free: bool | None  # the GIL stayed off; None: it is not known, as `error` says
    imported: bool  # False: the module was created, and could not be executed
    module: bool = True  # False: the file has no init function for its name
    error: str = ""


@dataclass(frozen=True)
class Member:
    """An extension module of a wheel."""

    wheel: wheels.Wheel
    path: str  # in the wheel
    name: str  # dotted


class Interpreter:
    # In this order, until one says what happens.
    ways = ("import", "create")
    # Suffixes of extension modules that it takes beside its own.
    added_suffixes: tuple[str, ...] = ()
    # Of all modules, so many at least have to be compared: who imports nothing agrees with everything.
    agreed_limit = 0.9

    def __init__(self, executable: str, jobs: int):
        self.executable = executable
        self.jobs = jobs
        asked = "import json, sys, sysconfig, importlib.machinery as m; print(json.dumps([sys.version_info[:2], " \
            "sys.version, m.EXTENSION_SUFFIXES, sysconfig.get_platform(), sys._is_gil_enabled()]))"
        answer = subprocess.run([executable, "-I", "-c", asked], capture_output=True, text=True, check=True).stdout
        version, self.description, suffixes, self.platform, gil = json.loads(answer)
        self.version = tuple(version)
        self.suffixes = sorted(suffixes, key=len, reverse=True)
        self.environment: dict[str, str] = {}
        # Everything of the judge that has a say in what is seen.
        self.identity = [self.description, OBSERVE.read_text()]
        if gil:
            raise Broken(f"{executable} starts with its GIL enabled: is PYTHON_GIL set?")

    @property
    def abi(self) -> str:
        return "cp%d%dt" % self.version

    def runs(self, wheel: wheels.Wheel) -> bool:
        """Whether its modules can be imported here: made for this interpreter and kind of machine, with glibc."""
        system, machine = self.platform.split("-", 1)
        _, abis, platforms = wheel.tags
        return self.abi in abis and any(re.fullmatch(f"(many)?{system}.*_{machine}", tag) for tag in platforms)

    def members(self, wheel: wheels.Wheel) -> list[Member]:
        found = []
        with zipfile.ZipFile(wheel.path) as archive:
            for path in archive.namelist():
                suffix = next((suffix for suffix in self.suffixes if path.endswith(suffix)), None)
                # Libraries lie in folders, and have names, that no import statement can name.
                if suffix is not None and all(part.isidentifier() for part in dotted_name(path, suffix).split(".")):
                    found.append(Member(wheel, path, dotted_name(path, suffix)))
        return sorted(found, key=lambda member: member.path)

    def observe(self, members: list[Member], available: list[wheels.Wheel]) -> dict[Member, Seen]:
        """`available`: wheels that modules may import beside their own."""
        requirements = Requirements(available)
        kept: dict[wheels.Wheel, Kept] = {}
        for wheel in dict.fromkeys(member.wheel for member in members):
            judge = [*self.identity, *(one.sha256 for one in requirements.of(wheel))]
            key = hashlib.sha256("\n".join(judge).encode()).hexdigest()[:16]
            kept[wheel] = Kept(wheels.cache() / "oracle" / f"{wheel.file.removesuffix('.whl')}-{key}.json")
            for one in requirements.of(wheel):
                unpacked(one)

        def observe_one(member: Member) -> Seen:
            path = [unpacked(wheel) for wheel in requirements.of(member.wheel)]
            first = self._run(self.ways[0], member, path)
            if first.free is not None or not first.module:
                return first
            second = self._run(self.ways[1], member, path)
            return Seen(second.free, second.imported, second.module, first.error)

        missing = [member for member in members if kept[member.wheel].get(member) is None]
        now = {}
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            for member, seen in zip(missing, pool.map(observe_one, missing)):
                now[member] = seen
                # A failure may be one of this machine at this time.
                if seen.free is not None or not seen.module:
                    kept[member.wheel].put(member, seen)
        return {member: now.get(member) or kept[member.wheel].get(member) for member in members}

    def _run(self, how: str, member: Member, path: list[pathlib.Path]) -> Seen:
        with tempfile.TemporaryDirectory(prefix="interlock-oracle-") as scratch:
            result, errors = pathlib.Path(scratch, "result.json"), pathlib.Path(scratch, "stderr")
            environment = {"PATH": os.environ["PATH"], "HOME": scratch, "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1",
                           "OPENBLAS_NUM_THREADS": "1", **self.environment}
            command = [self.executable, "-I", "-S", "-v", str(OBSERVE), str(result), how, ":".join(self.added_suffixes),
                       member.name, str(path[0] / installed_path(member.path)), *map(str, path)]
            with open(errors, "wb") as stderr:
                try:
                    status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr,
                                            env=environment, cwd=scratch, timeout=DEADLINE).returncode
                except subprocess.TimeoutExpired:
                    return Seen(None, False, error=f"no end after {DEADLINE} s")
            said = errors.read_text(encoding="utf-8", errors="replace")
            if not result.exists():
                last = [line for line in said.splitlines() if not line.startswith(("#", "import "))][-1:]
                return Seen(None, False, error=f"exit status {status}: {' '.join(last)}")
            seen = judge(member.name, json.loads(result.read_text(encoding="utf-8")), said)
            # One whose judge asks for no more is not held to have failed to import.
            return replace(seen, imported=seen.free is not None and how in ("import", self.ways[0]))


def judge(name: str, result: dict, said: str) -> Seen:
    requiring = {match["name"] for match in REQUIRES.finditer(said)}
    warned = [match["name"] for text in result["warnings"] if (match := WARNING.search(text))]
    # The three signs have to agree: the GIL is on after the import if and only if some module required it, and then one
    # of those is named in the one warning.
    consistent = result["after"] == bool(requiring) == bool(warned) and set(warned) <= requiring
    if (result["before"] or not consistent) and result["error"] is None:
        raise Broken(f"{name}: {result}; requiring the GIL: {sorted(requiring)}")
    if result["error"] is not None:
        return Seen(None, False, module=not NO_MODULE.search(result["error"]), error=result["error"])
    return Seen(name not in requiring, True)


class Requirements:
    """Which wheels have to be on sys.path for one of them: what its metadata says, and what the corpus adds."""

    def __init__(self, available: list[wheels.Wheel]):
        # Of a distribution that is there in several versions, others see the last.
        self._by_name = {normalized(wheel.name): wheel for wheel in available}
        self._direct: dict[wheels.Wheel, list[str]] = {}
        self._all: dict[wheels.Wheel, list[wheels.Wheel]] = {}

    def of(self, wheel: wheels.Wheel) -> list[wheels.Wheel]:
        """It comes first."""
        if wheel not in self._all:
            found = {normalized(wheel.name): wheel}
            queue = [wheel]
            for one in queue:
                for name in self._names(one):
                    if name in self._by_name and name not in found:
                        found[name] = self._by_name[name]
                        queue.append(found[name])
            self._all[wheel] = queue
        return self._all[wheel]

    def _names(self, wheel: wheels.Wheel) -> list[str]:
        if wheel not in self._direct:
            with zipfile.ZipFile(wheel.path) as archive:
                file = next(name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
                lines = archive.read(file).decode("utf-8").split("\n\n")[0].splitlines()
            wanted = [line.partition(":")[2] for line in lines if line.startswith("Requires-Dist:")]
            self._direct[wheel] = [normalized(re.match(r"\s*([\w.-]+)", text)[1]) for text in wanted
                                   if not re.search(r";.*\bextra\s*==", text)] + list(map(normalized, wheel.needs))
        return self._direct[wheel]


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


class Kept:
    """Observations of earlier runs, in a file."""

    def __init__(self, file: pathlib.Path):
        self._file = file
        self._entries: dict[str, dict] = {}
        try:
            self._entries = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            pass

    def get(self, member: Member) -> Seen | None:
        entry = self._entries.get(member.path)
        return None if entry is None else Seen(**entry)

    def put(self, member: Member, seen: Seen) -> None:
        """At once: a run that is interrupted goes on where it stopped."""
        self._entries[member.path] = vars(seen)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=self._file.parent, delete=False, encoding="utf-8") as out:
            json.dump(self._entries, out, indent=1, sort_keys=True)
        os.replace(out.name, self._file)


def installed_path(path: str) -> str:
    """Where an installer puts a member of a wheel, below site-packages."""
    return re.sub(r"^[^/]+\.data/(?:platlib|purelib)/", "", path)


def module_suffix(path: str) -> str | None:
    """What follows the module's name in the name of a file of any platform."""
    match = re.search(r"(?:\.cpython-[^./]+|\.cp\d+t?-[^./]+|\.abi3t?)?\.(?:so|pyd)$", path)
    return match[0] if match else None


def dotted_name(path: str, suffix: str) -> str:
    return installed_path(path).removesuffix(suffix).replace("/", ".").removesuffix(".__init__")


def unpacked(wheel: wheels.Wheel) -> pathlib.Path:
    folder = wheels.cache() / "unpacked" / f"{wheel.file.removesuffix('.whl')}-{wheel.sha256[:16]}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = pathlib.Path(tempfile.mkdtemp(dir=folder.parent, prefix=".unpack-"))
    try:
        with zipfile.ZipFile(wheel.path) as archive:
            archive.extractall(scratch)
        for data in scratch.glob("*.data/p???lib"):
            shutil.copytree(data, scratch, dirs_exist_ok=True)
        os.rename(scratch, folder)
    except OSError:
        shutil.rmtree(scratch, ignore_errors=True)
        if not folder.is_dir():  # else another run was faster
            raise
    return folder
