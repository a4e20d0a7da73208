# Fetches the wheels that wheels.json pins, by name, version and sha256, from the package index that pip is set up for.
# Run by scripts/corpus.sh.
#
# SPDX-License-Identifier: MIT
import argparse
import concurrent.futures
import fnmatch
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading

import wheels

# What pip says of a machine that cannot reach the index, as opposed to an index that does not have the file.
UNREACHABLE = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|Max retries exceeded"
    r"|Network is unreachable|Temporary failure in name resolution|Connection (?:refused|reset)"
)


# At most so many in one run of pip, and no more once they have so many bytes: what is fetched is kept batch by batch.
LARGEST_BATCH = 12
FULL_BATCH = 20_000_000


class Unreachable(Exception):
    pass


class Failed(Exception):
    pass


def pip_download(chosen: list[wheels.Wheel], to: str, checked: bool) -> None:
    """Of wheels for one target, and of different distributions."""
    requirements = pathlib.Path(to) / "requirements.txt"
    # With a hash pip chooses among the files of a version by it.
    requirements.write_text("".join(
        f"{wheel.name}=={wheel.version}" + (f" --hash=sha256:{wheel.sha256}" if checked else "") + "\n"
        for wheel in chosen))
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-cache-dir", "--retries", "2", *wheels.pip_arguments(chosen), "--dest", to, "--requirement"]
    done = subprocess.run([*command, str(requirements)], capture_output=True, text=True, errors="replace")
    if done.returncode == 0:
        return
    said = done.stdout + done.stderr
    files = ", ".join(wheel.file for wheel in chosen)
    if UNREACHABLE.search(said):
        raise Unreachable(f"{files}: the package index cannot be reached")
    errors = [line for line in said.splitlines() if "ERROR" in line] or said.splitlines()[-3:]
    raise Failed(f"{files}: pip could not download:\n    " + "\n    ".join(errors))


def fetch(chosen: list[wheels.Wheel], stop: threading.Event) -> None:
    if stop.is_set():
        raise Unreachable(f"{', '.join(wheel.file for wheel in chosen)}: not tried")
    # In the same file system, so that the rename at the end is atomic: an interrupted run leaves no half file.
    with tempfile.TemporaryDirectory(dir=wheels.folder(), prefix=".fetch-") as scratch:
        try:
            pip_download(chosen, scratch, checked=True)
        except Unreachable:
            stop.set()
            raise
        for wheel in chosen:
            got = pathlib.Path(scratch) / wheel.file
            if not got.exists() or got.stat().st_size != wheel.size or wheels.sha256_of(got) != wheel.sha256:
                raise Failed(f"{wheel.file}: what pip downloaded is not the file that {wheels.PINS.name} pins")
            os.replace(got, wheel.path)


def batches(missing: list[wheels.Wheel]) -> list[list[wheels.Wheel]]:
    """What one pip can fetch together: for one target, no distribution twice. To start pip and to read what the index
    has of a distribution takes longer than to download most of the files."""
    open_ones: dict[tuple, list[list[wheels.Wheel]]] = {}
    done = []
    for wheel in sorted(missing, key=lambda wheel: -wheel.size):
        of_target = open_ones.setdefault(wheel.target, [])
        batch = next((one for one in of_target if all(wheel.name != other.name for other in one)), None)
        if batch is None:
            batch = []
            of_target.append(batch)
            done.append(batch)
        batch.append(wheel)
        if len(batch) == LARGEST_BATCH or sum(one.size for one in batch) >= FULL_BATCH:
            of_target.remove(batch)
    return done


def fetch_all(chosen: list[wheels.Wheel], jobs: int) -> int:
    wheels.folder().mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    fetched, failed, unreachable = 0, [], []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        there = pool.map(wheels.Wheel.is_there, chosen)
        waiting = batches([wheel for wheel, is_there in zip(chosen, there) if not is_there])
        while waiting:
            running = {pool.submit(fetch, batch, stop): batch for batch in waiting}
            waiting = []
            for future in concurrent.futures.as_completed(running):
                batch = running[future]
                try:
                    future.result()
                    fetched += len(batch)
                    for wheel in batch:
                        print(f"fetched {wheel.file} ({wheel.size / 1e6:.1f} MB)", flush=True)
                except Unreachable:
                    unreachable += batch
                except Failed as error:
                    if len(batch) > 1:  # one of them fails: each on its own
                        waiting += [[wheel] for wheel in batch]
                        continue
                    failed += batch
                    print(error, file=sys.stderr, flush=True)
    number = len(chosen) - len(failed) - len(unreachable)
    total = sum(wheel.size for wheel in chosen)
    print(f"{number} of {len(chosen)} wheels ({total / 1e6:.0f} MB) are in {wheels.folder()}, {fetched} of them new")
    if failed:
        return 1
    if unreachable:
        print(f"{len(unreachable)} wheels are missing, and the package index cannot be reached. With a network, run\n"
              "scripts/corpus.sh again: it goes on where it stopped.", file=sys.stderr)
        return 1 if wheels.required() else wheels.SKIPPED
    return 0


def entry_of(file: str) -> dict:
    """A new pin: downloads the wheel of this name, without a hash to check it by."""
    name, version = file.split("-")[:2]
    wheel = wheels.Wheel(name.replace("_", "-").lower(), version, file, "", 0, "")
    with tempfile.TemporaryDirectory() as scratch:
        pip_download([wheel], scratch, checked=False)
        got = pathlib.Path(scratch) / file
        if not got.exists():
            others = ", ".join(path.name for path in pathlib.Path(scratch).glob("*.whl"))
            raise Failed(f"{file}: pip chose {others or 'nothing'}")
        entry = {"name": wheel.name, "version": version, "file": file, "sha256": wheels.sha256_of(got)}
        return entry | {"size": got.stat().st_size, "emitter": "", "why": ""}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog=os.environ.get("INTERLOCK_PROGRAM"),
        description="Fetches the wheels that tests/corpus/wheels.json pins into the cache, and verifies each by its "
        "sha256. What is there already is verified and kept.",
        epilog="exit status: 0 all are there, 1 one could not be had or is not what is pinned, 2 wrong use, 77 the "
        "package index cannot be reached (1 with INTERLOCK_REQUIRE_CORPUS=1 in the environment)",
    )
    parser.add_argument("--only", metavar="PATTERN", action="append", help="only files that match, such as 'numpy-*'")
    parser.add_argument("--jobs", metavar="N", type=int, default=4, help="downloads at once (default: 4)")
    parser.add_argument("--list", action="store_true", help="print the files that are pinned, and fetch nothing")
    parser.add_argument("--print-dir", action="store_true", help="print where the files lie, and fetch nothing")
    parser.add_argument("--pin", metavar="FILE", action="append", help="print an entry for wheels.json, of this wheel")
    options = parser.parse_args()
    if options.jobs < 1:
        parser.error("--jobs needs a number from 1 on")
    if options.print_dir:
        print(wheels.folder())
        return 0
    if options.pin:
        for file in options.pin:
            print(json.dumps(entry_of(file), indent=4))
        return 0
    chosen = [
        wheel
        for wheel in wheels.pinned(host=True)
        if not options.only or any(fnmatch.fnmatchcase(wheel.file, pattern) for pattern in options.only)
    ]
    if not chosen:
        parser.error("no pinned wheel matches " + " or ".join(f"'{pattern}'" for pattern in options.only))
    if options.list:
        for wheel in chosen:
            print(wheel.file)
        return 0
    return fetch_all(chosen, options.jobs)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failed, Unreachable, ValueError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)
