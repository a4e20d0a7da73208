# What a free-threaded Python does by itself and under interlock, case by case: the table of docs/python.md. Everything
# in it is observed; each case runs twice, in processes of their own.
#
# usage: python_compare.py PYTHON, a free-threaded interpreter that has interlock
#
# SPDX-License-Identifier: MIT
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # the tree stays as it is
import bare_modules  # noqa: E402

FREE = {"rules": [{"match": {"module": "unmarked"}, "threading": "free", "reason": "reviewed"}]}
REFUSE = {"rules": [{"match": {"module": "unmarked"}, "threading": "refuse", "reason": "not reviewed"}]}

# What is imported, and how.
PROGRAM = """
import json, sys
done = []
for name in sys.argv[1].split(","):
    try:
        __import__(name)
        done.append("imported")
    except Exception as error:
        done.append(type(error).__name__)
print(json.dumps([done, sys._is_gil_enabled()]))
"""

CASES = [  # what, modules, options of Python, environment, policy
    ("a marked module", "marked", [], {}, None),
    ("an unmarked module", "unmarked", [], {}, None),
    ("two unmarked modules", "unmarked,unmarked2", [], {}, None),
    ("-W error, an unmarked module", "unmarked", ["-W", "error"], {}, None),
    ("-W error, and once again", "unmarked,unmarked", ["-W", "error"], {}, None),
    ("PYTHON_GIL=0, an unmarked module", "unmarked", [], {"PYTHON_GIL": "0"}, None),
    ("PYTHON_GIL=1, an unmarked module", "unmarked", [], {"PYTHON_GIL": "1"}, None),
    ("a policy that says free", "unmarked", [], {}, FREE),
    ("a policy that refuses it", "unmarked", [], {}, REFUSE),
    ("a file that is no library", "damaged", [], {}, None),
]


def observe(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True,
                          env=os.environ | environment)
    results, gil = json.loads(done.stdout)
    warned = done.stderr.count("has been enabled to load module")
    text = f"{', '.join(results)}; GIL {'on' if gil else 'off'}"
    if warned:
        text += f"; {warned} warning{'' if warned == 1 else 's'}"
        text += ", with who imported it" if "  your line " in done.stderr else ""
    return text


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: python_compare.py PYTHON", file=sys.stderr)
        return 2
    python = sys.argv[1]
    for name in ("PYTHON_GIL", "PYTHONWARNINGS", "INTERLOCK_POLICY"):
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory(prefix="interlock-compare-") as scratch:
        folder = pathlib.Path(scratch)
        version = subprocess.run([python, "-I", "-c", "import sys; print(sys.version.split()[0])"], text=True,
                                 stdout=subprocess.PIPE, check=True).stdout.strip()
        suffix = bare_modules.build(python, folder, ["marked"], ["unmarked", "unmarked2"])
        (folder / ("damaged" + suffix)).write_bytes(b"\177ELF and no more")
        program, policy = folder / "program.py", folder / "policy.json"
        program.write_text(PROGRAM)
        rows = [("CASE", f"CPYTHON {version}t", "THE SAME UNDER INTERLOCK")]
        for what, modules, options, environment, rules in CASES:
            policy.write_text(json.dumps(rules or {}))
            given = [] if rules is None else ["--policy", str(policy)]
            arguments = [str(program), modules]
            plain = "there are no policies" if rules else observe([python, *options, *arguments], environment)
            ours = observe([python, *options, "-m", "interlock", *given, *arguments], environment)
            rows.append((what, plain, ours))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        for row in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
