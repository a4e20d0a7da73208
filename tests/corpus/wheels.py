# The pinned wheels of wheels.json: what they are, and where their files lie once scripts/corpus.sh has fetched them.
# Imported by all that uses the corpus.
#
# SPDX-License-Identifier: MIT
import hashlib
import json
import os
import pathlib
import re
from dataclasses import dataclass

PINS = pathlib.Path(__file__).resolve().with_name("wheels.json")
SKIPPED = 77  # exit status for CTest: this test could not run here


def cache() -> pathlib.Path:
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "interlock"


def folder() -> pathlib.Path:
    return cache() / "wheels"


def required() -> bool:
    """Whether a run without the corpus is a failure, as in continuous integration, instead of a visible skip."""
    return os.environ.get("INTERLOCK_REQUIRE_CORPUS") == "1"


@dataclass(frozen=True)
class Wheel:
    name: str  # of the distribution, as on PyPI
    version: str
    file: str
    sha256: str
    size: int
    emitter: str  # what made its extension modules
    why: str = ""  # it is in the corpus
    needs: tuple[str, ...] = ()  # distributions that its modules import, beside those that its metadata requires
    support: bool = False  # pure Python: only there because others import it
    host: bool = False  # only there for the tests of the host for CPython

    @property
    def path(self) -> pathlib.Path:
        return folder() / self.file

    @property
    def tags(self) -> tuple[list[str], list[str], list[str]]:
        """Those of the file name: for Python, ABI and platform."""
        return tuple(part.split(".") for part in self.file.removesuffix(".whl").split("-")[-3:])

    @property
    def pure(self) -> bool:
        """Without extension modules, so for every interpreter and machine."""
        return self.tags[2] == ["any"]

    def is_there(self) -> bool:
        try:
            return self.path.stat().st_size == self.size and sha256_of(self.path) == self.sha256
        except FileNotFoundError:
            return False

    @property
    def target(self) -> tuple[str, str, tuple[str, ...]]:
        """What its modules are for: implementation, version, and ABIs, each as pip takes it; empty where any will do."""
        pythons, abis, platforms = self.tags
        if platforms == ["any"]:
            return "", "", ()
        named = re.fullmatch(r"(cp|pp|py)3(\d*)", pythons[-1])
        if named is None:
            raise ValueError(f"{self.file}: the tag '{pythons[-1]}' names no version of Python that pip can be asked for")
        return named[1], f"3.{named[2]}" if named[2] else "", tuple(abis)


def pip_arguments(wheels: list[Wheel]) -> list[str]:
    """With these `pip download` takes the files, which are for one target, on a machine of any kind."""
    implementation, version, abis = wheels[0].target
    arguments = ["--no-deps", "--only-binary=:all:"]
    if implementation:
        arguments += ["--implementation", implementation, *(("--python-version", version) if version else ())]
        arguments += [part for abi in abis for part in ("--abi", abi)]
        platforms = dict.fromkeys(platform for wheel in wheels for platform in wheel.tags[2])
        arguments += [part for platform in platforms for part in ("--platform", platform)]
    return arguments


def sha256_of(path: pathlib.Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def pinned(host: bool = False) -> list[Wheel]:
    """With `host` also what is not for the audit, whose figures are of the others."""
    pins = json.loads(PINS.read_text(encoding="utf-8"))

    def group(name: str, **marks: bool) -> list[Wheel]:
        return [Wheel(**entry | {"needs": tuple(entry.get("needs", ())), **marks}) for entry in pins[name]]

    return group("wheels") + group("support", support=True) + (group("host", host=True) if host else [])
