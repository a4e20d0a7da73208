"""What a policy says goes over what a module says.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import hashlib
import subprocess
import unittest

import cases
from cases import Case, Expect, INTERLOCK, PLAIN, Run, policy, table

ONE = 'say(result=attempt("multi_unmarked"))\nimport sys\n' \
    'say(there="multi_unmarked" in sys.modules)\nimport multi_free\n'
ON = Expect(True, ("multi_unmarked",), {"result": "ok", "there": True})
OFF = Expect(False, (), {"result": "ok", "there": True})
REFUSED = Expect(False, (), {"result": "ImportError", "there": False})


def rule(threading: str, **match: str) -> dict[str, object]:
    return {"match": match, "threading": threading}


def under(text: str, interlock: Expect, code: str = ONE, plain: Expect = ON, **more: object) -> Case:
    return Case(code, plain, interlock, options=("--policy", "policy.json"), files={"policy.json": text},
                **more)  # type: ignore[arg-type]


THREE = 'say(result=[attempt(name) for name in ("multi_unmarked", "single_unmarked", "pack.inner")])'
THREE_OK = {"result": ["ok"] * 3}


@table({
    "empty": under("{}", ON),
    "free": under(policy(rule("free", module="multi_unmarked")), OFF),
    "global_lock": under(policy(rule("global_lock", module="multi_unmarked")), ON),
    "refuse": under(policy(rule("refuse", module="multi_unmarked")), REFUSED),
    "no_match": under(policy(rule("free", module="multi_unmarked_2"), rule("refuse", module="unmarked")), ON),
    "by_glob": under(policy(rule("free", module="multi_*")), OFF),
    "by_name_of_file": under(policy(rule("free", file="multi_unmarked.*.so")), OFF),
    "by_path": under(policy(rule("free", file="@MODULES@/*unmarked@SUFFIX@")), OFF),
    "by_other_path": under(policy(rule("free", file="/elsewhere/*")), ON),
    "by_marker": under(policy(rule("free", marker="unmarked")), OFF),
    "by_other_marker": under(policy(rule("free", marker="global_lock")), ON),
    "by_wrong_hash": under(policy(rule("free", module="multi_unmarked", sha256="0" * 64)), ON),
    "default_free": under(policy(default={"unmarked": "free"}), OFF),
    "default_refuse": under(policy(default={"unmarked": "refuse"}), REFUSED),
    "default_global_lock": under(policy(default={"unmarked": "global_lock"}), ON),
    "first_match": under(policy(rule("free", module="multi_unmarked"), rule("refuse", module="*")), OFF,
                         ONE.replace("import multi_free\n", "")),
    # A rule that has expired matches nothing.
    "expired": under(policy({**rule("free", module="multi_unmarked"), "expires": "2020-01-31"}), ON),
    "expired_then_next": under(policy({**rule("refuse", module="multi_unmarked"), "expires": "2020-01-31"},
                                      rule("free", module="multi_unmarked")), OFF),
    "not_expired": under(policy({**rule("free", module="multi_unmarked"), "expires": "2999-12-31"}), OFF),
    # Over what a module says of itself, both ways.
    "global_lock_for_a_marked_one": under(
        policy(rule("global_lock", module="multi_free")), Expect(True, ("multi_free",), {"result": "ok"}),
        'say(result=attempt("multi_free"))', Expect(False, (), {"result": "ok"})),
    "global_lock_for_single_phase": under(
        policy(rule("global_lock", module="single_free")), Expect(True, ("single_free",), {"result": "ok"}),
        'say(result=attempt("single_free"))', Expect(False, (), {"result": "ok"})),
    "free_for_one_that_says_used": under(
        policy(rule("free", marker="global_lock")), Expect(False, (), {"result": ["ok", "ok"]}),
        'say(result=[attempt("multi_used"), attempt("single_used")])',
        Expect(True, ("multi_used",), {"result": ["ok", "ok"]})),
    "refuse_a_marked_one": under(
        policy(rule("refuse", module="multi_free")), Expect(False, (), {"result": ["ImportError", "ok"]}),
        'say(result=[attempt("multi_free"), attempt("single_free")])', Expect(False, (), {"result": ["ok", "ok"]})),
    # Of each kind, and packages.
    "all_free": under(policy(rule("free", module="*")), Expect(False, (), THREE_OK), THREE,
                      Expect(True, ("multi_unmarked",), THREE_OK)),
    "all_free_but_one": under(
        policy(rule("global_lock", module="pack.inner"), rule("free", marker="unmarked")),
        Expect(True, ("pack.inner",), THREE_OK), THREE, Expect(True, ("multi_unmarked",), THREE_OK)),
    "refuse_in_package": under(
        policy(rule("refuse", module="pack.*"), rule("free", module="*")),
        Expect(False, (), {"result": ["ok", "ok", "ImportError"]}), THREE,
        Expect(True, ("multi_unmarked",), THREE_OK)),
    "free_nested": under(
        policy(rule("free", module="multi_unmarked")), Expect(False, (), {"result": ["ok", "ok", "ok"]}),
        'say(result=[attempt("multi_imports"), attempt("single_free_imports"), attempt("user")])',
        Expect(True, ("multi_unmarked",), {"result": ["ok", "ok", "ok"]})),
    # What needs the GIL within what does not, and the other way round.
    "free_outside": under(
        policy(rule("free", module="single_imports")), Expect(True, ("multi_unmarked",), {"result": "ok"}),
        'say(result=attempt("single_imports"))', Expect(True, ("multi_unmarked",), {"result": "ok"})),
    "free_inside": under(
        policy(rule("free", module="multi_unmarked")), Expect(True, ("single_imports",), {"result": "ok"}),
        'say(result=attempt("single_imports"))', Expect(True, ("multi_unmarked",), {"result": "ok"})),
    # Which nobody but CPython could judge.
    "free_undetermined": under(
        policy(rule("free", module="by_path_used")), Expect(False, (), {"result": "ok"}),
        'say(result=attempt("by_path_used"))', Expect(True, ("by_path_used",), {"result": "ok"})),
    "global_lock_undetermined": under(
        policy(rule("global_lock", module="by_path")), Expect(True, ("by_path",), {"result": "ok"}),
        'say(result=attempt("by_path"))', Expect(False, (), {"result": "ok"})),
    # Init functions that fail leave nothing behind, whatever the rule.
    "free_init_raises": under(
        policy(rule("free", module="*")), Expect(False, (), {"result": ["RuntimeError", "RuntimeError", "ok"]}),
        'say(result=[attempt("single_raises"), attempt("multi_create_raises"), attempt("by_path")])',
        Expect(False, (), {"result": ["RuntimeError", "RuntimeError", "ok"]})),
    "global_lock_init_raises": under(
        policy(rule("global_lock", module="single_raises")),
        Expect(True, ("single_raises",), {"result": "RuntimeError"}),
        'say(result=attempt("single_raises"))', Expect(False, (), {"result": "RuntimeError"})),
})
class Rules(unittest.TestCase):
    def test_by_hash__interlock(self) -> None:
        digest = hashlib.sha256(cases.world.path_of("multi_unmarked").read_bytes()).hexdigest()
        cases.check(self, under(policy(rule("free", sha256=digest)), OFF).run(INTERLOCK), OFF)

    def test_everything_needs_the_gil__interlock(self) -> None:
        """Also modules of the standard library, among them those that a warning about them needs itself."""
        text = policy(rule("global_lock", module="*"))
        run = under(text, ON, "say(result=attempt('multi_free'))\nimport decimal, _queue, json\n").run(INTERLOCK)
        self.assertEqual((run.status, run.gil, run.facts), (0, True, {"result": "ok"}), run)
        modules = [one.module for one in run.warned]
        self.assertEqual(len(modules), len(set(modules)), run)
        self.assertLessEqual({"multi_free", "_json", "_decimal", "_queue"}, set(modules), run)

    def test_refusal_says_why__interlock(self) -> None:
        text = policy({**rule("refuse", module="multi_unmarked"), "reason": "not\u001breviewed"})
        run = under(text, REFUSED, "import multi_unmarked\n").run(INTERLOCK)
        self.assertEqual((run.status, run.gil, run.warned), (1, False, []), run)
        self.assertRegex(run.errors, r"\nImportError: module 'multi_unmarked' is refused: .*policy\.json:1: the "
                                     r"rule for .* says refuse, because: not\\x1breviewed; change the rule, or "
                                     r"do without the module \(.*multi_unmarked\..*\.so\)\n")
        self.assertNotIn("\x1b", run.errors)


@table({
    "free": Case(ONE, ON, OFF, options=("--override", "multi_unmarked=free")),
    "global_lock": Case(ONE, ON, options=("--override", "multi_unmarked=global_lock")),
    "refuse": Case(ONE, ON, REFUSED, options=("--override=multi_unmarked=refuse",)),
    # They name a module, and not a pattern.
    "no_glob": Case(ONE, ON, options=("--override", "multi_*=free")),
    "over_policy": Case(ONE, ON, OFF, options=("--policy", "policy.json", "--override", "multi_unmarked=free"),
                        files={"policy.json": policy(rule("refuse", module="multi_unmarked"))}),
    "several": Case('say(result=[attempt("multi_unmarked"), attempt("single_unmarked"), attempt("multi_used")])',
                    Expect(True, ("multi_unmarked",), {"result": ["ok", "ok", "ok"]}),
                    Expect(False, (), {"result": ["ok", "ImportError", "ok"]}),
                    options=("--override", "multi_unmarked=free", "--override", "single_unmarked=refuse",
                             "--override", "multi_used=free")),
})
class Overrides(unittest.TestCase):
    pass


NO_MODULE_LOCK = (r"module_lock is for programs that load modules with interlock; CPython can only run a module with "
                  r"the GIL \(global_lock\) or without it \(free\)")


class Wrong(unittest.TestCase):
    """The program does not begin: exit status 4, with what is wrong and where."""

    def rejected(self, errors: str, *options: str, **files: str) -> None:
        named = {name.replace("_", "."): text for name, text in files.items()}
        run = cases.world.run('print("it began")', INTERLOCK, options=options, files=named)
        self.assertEqual((run.status, run.output), (4, ""), run)
        self.assertRegex(run.errors, r"\Ainterlock: error: ")
        self.assertRegex(run.errors, errors)
        self.assertNotIn("Traceback", run.errors)

    def test_module_lock(self) -> None:
        self.rejected(r"policy\.json:1:\d+: " + NO_MODULE_LOCK, "--policy", "policy.json",
                      policy_json=policy(rule("free", module="a"), rule("module_lock", module="multi_unmarked")))

    def test_module_lock_by_default(self) -> None:
        self.rejected(r'policy\.json: "default": ' + NO_MODULE_LOCK, "--policy", "policy.json",
                      policy_json=policy(default={"unmarked": "module_lock"}))

    def test_module_lock_override(self) -> None:
        self.rejected("override 'multi_unmarked=module_lock': " + NO_MODULE_LOCK, "--override",
                      "multi_unmarked=module_lock")

    def test_not_json(self) -> None:
        self.rejected(r"policy\.json:2:1: ", "--policy", "policy.json", policy_json='{"rules": [\n')

    def test_unknown_word(self) -> None:
        self.rejected(r"policy\.json:1:\d+: .*unknown 'threading' 'fre'", "--policy", "policy.json",
                      policy_json=policy(rule("fre", module="a")))

    def test_unknown_key(self) -> None:
        self.rejected("unknown key 'modul'", "--policy", "policy.json", policy_json=policy(rule("free", modul="a")))

    def test_no_file(self) -> None:
        self.rejected("gone.json", "--policy", "gone.json")

    def test_folder(self) -> None:
        self.rejected("@MODULES@".replace("@MODULES@", str(cases.world.modules)), "--policy", "@MODULES@")

    def test_override_without_action(self) -> None:
        self.rejected(r"an override is MODULE=free, MODULE=global_lock or MODULE=refuse, not 'multi_unmarked'",
                      "--override", "multi_unmarked")

    def test_override_with_unknown_action(self) -> None:
        self.rejected(r"not 'multi_unmarked=fast\\x1b'", "--override", "multi_unmarked=fast\x1b")

    def test_from_inside(self) -> None:
        """install() raises, and nothing has changed."""
        code = ("import interlock\n"
                "try:\n    interlock.install('policy.json')\n"
                "except ValueError as error:\n    say(type=type(error).__name__, text='module_lock' in str(error))\n"
                "say(installed=interlock.installed(), result=attempt('multi_unmarked'))\n")
        run = Case(code, None, files={"policy.json": policy(rule("module_lock", module="*"))}).run(PLAIN)
        expect = Expect(True, ("multi_unmarked",), {"type": "PolicyError", "text": True, "installed": False,
                                                    "result": "ok"})
        cases.check(self, run, expect)
        self.assertEqual(run.warned[0].category, "RuntimeWarning")

    def test_second_from_inside(self) -> None:
        """What counted before goes on to count."""
        code = ("import interlock\n"
                "try:\n    interlock.install('policy.json')\n"
                "except ValueError as error:\n    say(type=type(error).__name__)\n"
                "say(result=attempt('multi_unmarked'))\n")
        run = Case(code, None, options=("--override", "multi_unmarked=free"), files={"policy.json": "{"}).run(INTERLOCK)
        cases.check(self, run, Expect(False, (), {"type": "PolicyError", "result": "ok"}))


class CommandLine(unittest.TestCase):
    def test_usage(self) -> None:
        for options, said in ((("--polcy", "x"), "--polcy"), (("--policy",), "--policy needs an argument")):
            with self.subTest(options=options):
                run = self.raw(*options)
                self.assertEqual((run.status, run.output), (2, ""), run)
                self.assertIn(said, run.errors)

    def raw(self, *options: str) -> Run:
        done = subprocess.run([cases.world.interpreter.executable, "-m", "interlock", *options], text=True,
                              capture_output=True, env=cases.world.environment(), cwd=cases.world.scratch)
        return Run(done.returncode, done.stdout, done.stderr, None, {}, cases.world.scratch)

    def test_program_is_as_without(self) -> None:
        """Code and modules: arguments, and __main__."""
        show = "import sys; print(sys.argv, __name__, sys.path[0] == '', sys._is_gil_enabled())"
        run = self.raw("--override", "a=free", "-c", show, "-m", "--policy", "x")
        self.assertEqual(run.output, "['-c', '-m', '--policy', 'x'] __main__ True False\n", run)
        run = self.raw("-m", "timeit", "-n", "1", "-r", "1", "-q")
        self.assertEqual(run.status, 2, run)  # its own usage
        run = self.raw("-c", "raise SystemExit(7)")
        self.assertEqual(run.status, 7, run)
