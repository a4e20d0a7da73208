"""includes.py on small trees: what may be, and each thing that may not.

SPDX-License-Identifier: MIT
"""
import contextlib
import io
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import includes  # noqa: E402

DESIGN = """
| folder | what | uses |
|---|---|---|
| `base/` | everything | |
| `low/` | below | `base/` |
| `high/` | above | `low/` |
| `other/` | beside | `base/` |

| folder in `high/src/` | what | uses |
|---|---|---|
| `high/src/first/` | one | |
| `high/src/second/` | two | `first` |
"""
RIGHT = {
    "docs/design.md": DESIGN,
    "base/include/interlock/result.hpp": "",
    "base/private/base/glob.hpp": "#include <interlock/result.hpp>\n",
    "low/include/interlock/low.hpp": "#include <interlock/result.hpp>\n",
    "low/src/low.hpp": "",
    "low/src/low.cpp": '#include "low.hpp"\n#include <interlock/low.hpp>\n#include <vector>\n',
    "low/CMakeLists.txt": "target_sources(low PRIVATE ../base/src/x.cpp)  # not ../high/src\n",
    "high/include/interlock/high.hpp": "#include <interlock/low.hpp>\n",
    "high/src/all.cpp": '#include "first/a.hpp"\n#include "second/b.hpp"\n',
    "high/src/first/a.hpp": '#include <interlock/high.hpp>\n#include "base/glob.hpp"\n',
    "high/src/second/b.hpp": '#include "first/a.hpp"\n',
    "other/src/other.cpp": '#  include "base/glob.hpp"\n',
}
BREAKS = {
    "upwards": ({"low/src/low.cpp": "#include <interlock/high.hpp>\n"},
                "low/src/low.cpp:1: low/ must not use high/, and includes high/include/interlock/high.hpp"),
    "sideways": ({"other/src/other.cpp": "\n#include <interlock/low.hpp>\n"},
                 "other/src/other.cpp:2: other/ must not use low/, and includes low/include/interlock/low.hpp"),
    "what is private": ({"high/src/all.cpp": '#include "low.hpp"\n'},
                        "high/src/all.cpp:1: low/src/low.hpp is private to low/"),
    "a wing upwards": ({"high/src/first/a.hpp": '#include "second/b.hpp"\n'},
                       "high/src/first/a.hpp:1: high/src/first/ must not use high/src/second/, and includes "
                       "high/src/second/b.hpp"),
    "a wing what puts it together": ({"high/src/all.hpp": "", "high/src/second/b.hpp": '#include "all.hpp"\n'},
                                     "high/src/second/b.hpp:1: high/src/second/ must not use high/, and includes "
                                     "high/src/all.hpp"),
    "by a path": ({"low/src/low.cpp": '#include "../../high/src/first/a.hpp"\n'},
                  "low/src/low.cpp:1: low/ must not use high/src/first/, and includes high/src/first/a.hpp"),
    "sources of another": ({"low/CMakeLists.txt": "\nadd_library(low ${PROJECT_SOURCE_DIR}/high/src/all.cpp)\n"},
                           "low/CMakeLists.txt:2: low/ must not use high/"),
}
TABLES = {
    "a circle": DESIGN.replace("| `base/` | everything | |", "| `base/` | everything | `high/` |"),
    "which has no row": DESIGN.replace("above | `low/`", "above | `love/`"),
    "is in the tables twice": DESIGN + "\n| `low/` | again | |\n",
    "no table of folders": "# Design\n",
}


class Includes(unittest.TestCase):
    def on(self, changes: dict[str, str]) -> tuple[int, list[str]]:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (RIGHT | changes).items():
                path = pathlib.Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                status = includes.main([folder])
            return status, out.getvalue().splitlines()

    def test_what_may_be(self) -> None:
        self.assertEqual(self.on({}), (0, ["6 folders use what they may"]))

    def test_what_may_not_be(self) -> None:
        for name, (changes, complaint) in BREAKS.items():
            with self.subTest(name):
                self.assertEqual(self.on(changes), (1, [complaint]))

    def test_tables_that_say_nothing(self) -> None:
        for complaint, design in TABLES.items():
            with self.subTest(complaint):
                status, lines = self.on({"docs/design.md": design})
                self.assertEqual(status, 2)
                self.assertIn(complaint, lines[0])


if __name__ == "__main__":
    unittest.main()
