"""The report: interlock.report(), interlock.modules(), --report FILE.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import json
import re
import time
import unittest
from typing import Any

import cases
from cases import Case, Expect, INTERLOCK, PLAIN, Run, policy, table

REPORT = {"schema_version": int, "free_threaded": bool, "gil_enabled": bool, "gil_came_on": (dict, type(None)),
          "imported_before_install": list, "notes": list, "modules": list}
RECORD = {"module": str, "file": str, "at": float, "gil_before": bool, "gil_after": bool, "imported_by": list,
          "line": (str, type(None)), "seconds": float, "verdict": str, "confidence": str, "action": str,
          "decided_by": str, "why": list, "evidence": list, "build_id": str}
REASON = {"source": str, "says": (str, type(None)), "text": str, "decided": bool}


class Report(unittest.TestCase):
    def made_by(self, code: str, status: int = 0, **more: Any) -> tuple[Run, dict[str, Any]]:
        """Also that it is what it is said to be."""
        options = ("--report", "report.json", *more.pop("options", ()))
        begin = time.time()
        run = Case(code, None, options=options, **more).run(INTERLOCK)
        self.assertEqual(run.status, status, run)
        report = json.loads((run.folder / "report.json").read_text(encoding="utf-8"))
        self.fits(report, REPORT)
        self.assertEqual((report["schema_version"], report["free_threaded"]), (1, True))
        for record in report["modules"]:
            # It takes a walk through the stack, which is spared what leaves the GIL alone.
            more = {"error": str, "your_line": (str, type(None))}
            self.fits(record, {**RECORD, **{key: more[key] for key in more if key in record}})
            self.assertEqual("your_line" in record, record["action"] != "free", record)
            self.assertTrue(begin <= record["at"] <= time.time() and record["seconds"] >= 0, record)
            self.assertIn(record["action"], ("free", "global_lock", "refuse", "interpreter"))
            for reason in record["why"]:
                self.fits(reason, REASON)
            decided = [reason for reason in record["why"] if reason["decided"]]
            self.assertEqual([(one["source"], one["says"]) for one in decided],
                             [(record["decided_by"], record["action"])], record)
        times = [record["at"] for record in report["modules"]]
        self.assertEqual(len(times), len(report["modules"]))
        return run, report

    def fits(self, value: dict[str, Any], keys: dict[str, Any]) -> None:
        self.assertEqual(set(value), set(keys), value)
        for key, kind in keys.items():
            self.assertIsInstance(value[key], kind, (key, value))

    def ours(self, report: dict[str, Any]) -> list[dict[str, Any]]:
        """Without those of the standard library."""
        return [one for one in report["modules"] if one["file"].startswith(str(cases.world.modules))]

    def test_culprit(self) -> None:
        run, report = self.made_by("import multi_free\nimport user\nimport single_unmarked, by_path\n")
        free, culprit, other, judged = self.ours(report)
        self.assertEqual([one["module"] for one in (free, culprit, other, judged)],
                         ["multi_free", "multi_unmarked", "single_unmarked", "by_path"])
        self.assertEqual((free["verdict"], free["action"], free["decided_by"], free["gil_before"], free["gil_after"]),
                         ("free", "free", "marker", False, False))
        self.assertEqual((culprit["verdict"], culprit["action"], culprit["decided_by"], culprit["gil_before"],
                          culprit["gil_after"]), ("unmarked", "global_lock", "default", False, True))
        self.assertEqual(culprit["imported_by"], ["middle", "user"])
        self.assertEqual(culprit["line"], f"{cases.world.modules / 'middle.py'}:3")
        self.assertEqual(culprit["your_line"], f"{cases.world.modules / 'middle.py'}:3 (<module>)")
        self.assertRegex(free["evidence"][0], r"Py_mod_gil")
        self.assertEqual(culprit["file"], str(cases.world.path_of("multi_unmarked")))
        self.assertEqual((other["gil_before"], other["gil_after"], other["imported_by"], other["line"]),
                         (True, True, [], f"{run.folder / 'case.py'}:4"))
        self.assertEqual((judged["verdict"], judged["action"]), ("undetermined", "interpreter"))
        self.assertEqual(report["gil_enabled"], True)
        came_on = report["gil_came_on"]
        self.assertEqual((set(came_on), came_on["module"], came_on["file"]),
                         ({"module", "file", "at"}, "multi_unmarked", culprit["file"]))
        self.assertTrue(culprit["at"] <= came_on["at"] <= other["at"], report)

    def test_table(self) -> None:
        run, _ = self.made_by("import multi_free\nimport user\nimport single_unmarked\n",
                              options=("--override", "single_unmarked=free"))
        self.assertRegex(run.errors, r"(?m)^MODULE +VERDICT +DECISION +GIL +IMPORTED BY$")
        case = re.escape(str(run.folder / "case.py"))
        self.assertRegex(run.errors, rf"(?m)^multi_free +free +free +off +{case}:2$")
        self.assertRegex(run.errors, r"(?m)^multi_unmarked +unmarked +global_lock +off -> on +middle$")
        self.assertRegex(run.errors, rf"(?m)^single_unmarked +unmarked +free +on +{case}:4$")

    def test_gil_stays_off(self) -> None:
        _, report = self.made_by("import multi_free, by_path\n")
        self.assertEqual((report["gil_enabled"], report["gil_came_on"]), (False, None))

    def test_judged_by_cpython(self) -> None:
        _, report = self.made_by("import multi_free, by_path_used\n")
        [free, judged] = self.ours(report)
        self.assertEqual(report["gil_came_on"], {"module": "by_path_used", "file": judged["file"], "at": judged["at"]})
        self.assertEqual((judged["gil_before"], judged["gil_after"]), (False, True))

    def test_nested_culprit(self) -> None:
        """The one inside, and not the one that was imported first."""
        _, report = self.made_by("import single_free_imports\n")
        self.assertEqual([one["module"] for one in self.ours(report)], ["multi_unmarked", "single_free_imports"])
        self.assertEqual(report["gil_came_on"]["module"], "multi_unmarked")
        outer = self.ours(report)[1]
        self.assertEqual((outer["action"], outer["gil_before"], outer["gil_after"]), ("free", False, True))

    def test_policy_and_failures(self) -> None:
        text = policy({"match": {"module": "multi_unmarked"}, "threading": "refuse"},
                      {"match": {"module": "single_*"}, "threading": "free"})
        _, report = self.made_by(
            'say(result=[attempt(name) for name in ("multi_unmarked", "single_used", "single_raises", "garbage", '
            '"multi_used")])\n', options=("--policy", "policy.json", "--override", "multi_used=free"),
            files={"policy.json": text})
        refused, used, raises, garbage, override = self.ours(report)
        self.assertEqual((refused["action"], refused["decided_by"]), ("refuse", "policy"))
        self.assertRegex(refused["error"], "^ImportError: module 'multi_unmarked' is refused: ")
        self.assertEqual((used["verdict"], used["action"], used["decided_by"]), ("global_lock", "free", "policy"))
        self.assertNotIn("error", used)
        self.assertEqual(raises["error"], "RuntimeError: init fails")
        self.assertRegex(garbage["error"], "^ImportError: ")
        self.assertEqual((override["verdict"], override["action"], override["decided_by"]),
                         ("global_lock", "free", "override"))
        self.assertEqual(report["gil_came_on"], None)

    def test_error_filter(self) -> None:
        _, report = self.made_by('say(result=attempt("multi_unmarked"))', python_options=("-W", "error"))
        [refused] = self.ours(report)
        self.assertRegex(refused["error"], "^FallbackWarning: The global interpreter lock")
        self.assertEqual((refused["gil_after"], report["gil_came_on"]), (False, None))

    def test_exception_at_the_end(self) -> None:
        run, report = self.made_by("import multi_free\nraise RuntimeError('at the end')\n", status=1)
        self.assertIn("at the end", run.errors)
        self.assertEqual([one["module"] for one in self.ours(report)], ["multi_free"])

    def test_folder_that_is_not_there(self) -> None:
        run = Case("import multi_free\n", None, options=("--report", "gone/report.json")).run(INTERLOCK)
        self.assertEqual(run.status, 0, run)
        self.assertRegex(run.errors, r"interlock: the report cannot be written: .*gone/report\.json")
        self.assertNotIn("Traceback", run.errors)

    def test_imported_before(self) -> None:
        run = Case("import multi_free, single_free, interlock\ninterlock.install()\nimport pack_free\n"
                   "from pathlib import Path\nimport json\n"
                   "Path('report.json').write_text(json.dumps(interlock.report()))\n", None).run(PLAIN)
        self.assertEqual(run.status, 0, run)
        report = json.loads((run.folder / "report.json").read_text(encoding="utf-8"))
        self.fits(report, REPORT)
        self.assertLessEqual({"multi_free", "single_free"}, set(report["imported_before_install"]))
        self.assertNotIn("pack_free", report["imported_before_install"])
        self.assertEqual([one["module"] for one in self.ours(report)], ["pack_free"])

    def test_gil_was_on_before(self) -> None:
        run = Case("import multi_unmarked, interlock\ninterlock.install()\nreport = interlock.report()\n"
                   "say(on=report['gil_enabled'], who=report['gil_came_on'], notes=report['notes'], "
                   "before='multi_unmarked' in report['imported_before_install'])\n", None).run(PLAIN)
        cases.check(self, run, Expect(True, ("multi_unmarked",), {
            "on": True, "who": None, "notes": ["the GIL was on before install() was called"], "before": True}))

    def test_meanwhile(self) -> None:
        """In the record of an import that was finished while CPython judged another one, the GIL came on by neither."""
        code = ("import hooks, threading\nis_in, may_end = threading.Event(), threading.Event()\n"
                "def handler():\n    is_in.set()\n    may_end.wait()\n"
                "hooks.handlers['environment_hooks', 'init'] = handler\n"
                "thread = threading.Thread(target=attempt, args=('environment_hooks',))\n"
                "thread.start()\nis_in.wait()\nattempt('multi_free')\nmay_end.set()\nthread.join()\n")
        _, report = self.made_by(code)
        self.assertEqual((report["gil_enabled"], report["gil_came_on"]), (False, None))

    def test_came_on_meanwhile(self) -> None:
        """The GIL is on for a moment, and then for good: the one who wants it for good is the culprit."""
        code = ("import hooks, threading\nis_in, may_end = threading.Event(), threading.Event()\n"
                "def handler():\n    is_in.set()\n    may_end.wait()\n"
                "hooks.handlers['environment_hooks', 'init'] = handler\n"
                "thread = threading.Thread(target=attempt, args=('environment_hooks',))\n"
                "thread.start()\nis_in.wait()\nattempt('multi_unmarked')\nmay_end.set()\nthread.join()\n")
        _, report = self.made_by(code)
        self.assertEqual((report["gil_enabled"], report["gil_came_on"] and report["gil_came_on"]["module"]),
                         (True, "multi_unmarked"))


# Under plain CPython there is nothing in it: interlock is there, and has not been installed.
@table({
    "modules": Case(
        "import interlock, multi_free\nsay(names=[one['module'] for one in interlock.modules() "
        "if one['module'] == 'multi_free'])\ninterlock.modules().clear()\nsay(still=len(interlock.modules()) > 0)\n",
        Expect(False, (), {"names": [], "still": False}), Expect(False, (), {"names": ["multi_free"], "still": True})),
    "report": Case(
        "import interlock, multi_unmarked\nreport = interlock.report()\n"
        "say(on=report['gil_enabled'], who=(report['gil_came_on'] or {}).get('module'))\n",
        Expect(True, ("multi_unmarked",), {"on": True, "who": None}),
        Expect(True, ("multi_unmarked",), {"on": True, "who": "multi_unmarked"})),
})
class Calls(unittest.TestCase):
    pass
