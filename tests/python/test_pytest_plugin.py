"""The plugin of pytest, in processes of its own: nothing turns the GIL off again.

Run by a free-threaded Python in which pytest (and for one test pytest-xdist) is installed, and interlock is installed
or its folder is on PYTHONPATH: ``python -m pytest tests/python/test_pytest_plugin.py``.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import importlib.metadata
import json
import os
import pathlib
import subprocess
import sysconfig
import tomllib

import pytest

import interlock

pytest_plugins = "pytester"
PROJECT = pathlib.Path(__file__).resolve().parents[2] / "pyproject.toml"

SOURCE = """
#include <Python.h>
static PyModuleDef_Slot said_nothing[] = {{0, NULL}};
static PyModuleDef_Slot marked[] = {{Py_mod_gil, Py_MOD_GIL_NOT_USED}, {0, NULL}};
static PyModuleDef definition = {.m_base = PyModuleDef_HEAD_INIT, .m_name = "NAME"};
PyMODINIT_FUNC PyInit_NAME(void) {
    definition.m_slots = SLOTS;
    (void)said_nothing, (void)marked;
    return PyModuleDef_Init(&definition);
}
"""
SLOTS = {"unmarked": "said_nothing", "unmarked2": "said_nothing", "marked": "marked",
         # What it does is only known when it runs.
         "undecided": 'getenv("PATH") ? said_nothing : marked'}


def headline(module: str) -> str:
    return f"The global interpreter lock (GIL) has been enabled to load module '{module}', which has not declared"


@pytest.fixture(scope="session")
def extensions(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("extensions")
    for name, slots in SLOTS.items():
        source = folder / f"{name}.c"
        source.write_text(SOURCE.replace("NAME", name).replace("SLOTS", slots))
        subprocess.run(["cc", "-shared", "-fPIC", "-I", sysconfig.get_path("include"), str(source),
                        "-o", str(folder / (name + sysconfig.get_config_var("EXT_SUFFIX")))], check=True)
    return folder


@pytest.fixture(autouse=True)
def environment(pytester: pytest.Pytester, extensions: pathlib.Path, monkeypatch: pytest.MonkeyPatch,
                tmp_path_factory: pytest.TempPathFactory) -> None:
    package = pathlib.Path(interlock.__file__).parent
    path = [str(extensions), str(package.parent)]
    if not importlib.metadata.entry_points(group="pytest11", name="interlock"):
        # Of the source tree: what an installer would write of pyproject.toml.
        project = tomllib.loads(PROJECT.read_text())["project"]
        folder = tmp_path_factory.mktemp("installed")
        info = folder / "interlock-0.dist-info"
        info.mkdir()
        (folder / "interlock").symlink_to(package)  # pytest only looks at files that are there
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: interlock\nVersion: 0\n")
        (info / "RECORD").write_text("interlock/__init__.py,,\ninterlock/pytest_plugin.py,,\n")
        plugins = "".join(f"{name} = {module}\n" for name, module in project["entry-points"]["pytest11"].items())
        (info / "entry_points.txt").write_text("[pytest11]\n" + plugins)
        path[1] = str(folder)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    for name in ("PYTHON_GIL", "PYTEST_ADDOPTS", "PYTHONWARNINGS"):
        monkeypatch.delenv(name, raising=False)


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)


def write_policy(pytester: pytest.Pytester, module: str, threading: str) -> str:
    rule = {"match": {"module": module}, "threading": threading, "reason": "as the test wants it"}
    (pytester.path / "policy.json").write_text(json.dumps({"rules": [rule]}))
    return "--interlock=policy.json"


def test_without_the_option_nothing_happens(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import sys
        def test_one():
            import unmarked
            import interlock
            assert sys._is_gil_enabled() and not interlock.installed()
    """)
    result = run(pytester)
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.no_fnmatch_line("*= interlock =*")


def test_a_test_that_turns_the_gil_on_fails_and_the_others_pass(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import sys
        def test_marked():
            import marked
            assert not sys._is_gil_enabled()
        def test_culprit():
            import unmarked
        def test_again():
            import unmarked
    """)
    result = run(pytester, "--interlock")
    result.assert_outcomes(passed=2, failed=1, warnings=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([
        "interlock: no policy, the GIL is off",
        "*_ test_culprit _*",
        headline("unmarked").replace("[", "[[]") + "*",
        "  file *unmarked.cpython-*.so",
        "  why *",
        "  your line *test_a_test_that_turns_the_gil_on_fails_and_the_others_pass.py:6",
        '  fix *{"match": {"module": "unmarked"}, "threading": "free", *',
        "*= warnings summary =*",
        "*FallbackWarning: " + headline("unmarked") + "*",
        "*= interlock =*",
        "2 imports of extension modules: 1 free, 1 global_lock",
        "  MODULE *VERDICT *DECISION *DECIDED BY *GIL *IMPORTED BY",
        "  unmarked *unmarked *global_lock *default *off -> on *.py:6",
        "  1 more by their own marker; -v shows them",
        "The GIL came on for unmarked (*), imported by *.py:6; from then on tests ran with it.",
        "FAILED *::test_culprit*",
    ])


def test_every_culprit_is_blamed_once(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import sys
        def test_first():
            import unmarked
        def test_second():
            import unmarked2
        def test_first_again():
            del sys.modules["unmarked"]
            import unmarked
    """)
    result = run(pytester, "--interlock")
    result.assert_outcomes(passed=1, failed=2, warnings=2)
    result.stdout.fnmatch_lines(["FAILED *::test_first*", "FAILED *::test_second*"])


def test_a_test_that_hides_the_warning_fails_all_the_same(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import warnings
        import pytest
        def test_filter():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import unmarked
        def test_warns():
            with pytest.warns(RuntimeWarning, match="has been enabled to load module 'unmarked2'"):
                import unmarked2
    """)
    result = run(pytester, "--interlock", "-p", "no:warnings")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines([headline("unmarked") + "*", headline("unmarked2") + "*"])


def test_as_an_error_the_warning_keeps_the_gil_off(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import sys
        def test_plain():
            import unmarked
        def test_swallowed():
            try:
                import unmarked
            except RuntimeWarning:
                pass
        def test_off():
            assert not sys._is_gil_enabled()
    """)
    result = run(pytester, "--interlock", "-W", "error::interlock.FallbackWarning")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*_ test_swallowed _*", headline("unmarked") + "*",
                                 "The GIL was off to the end."])


def test_a_collection_that_turns_the_gil_on_is_an_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_culprit="import unmarked\ndef test_one(): pass",
                        test_other="def test_two(): pass")
    result = run(pytester, "--interlock")
    result.assert_outcomes(errors=1, warnings=1)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*_ ERROR collecting test_culprit.py _*", headline("unmarked") + "*",
                                 "  your line *test_culprit.py:1"])
    result = run(pytester, "--interlock", "--continue-on-collection-errors")
    result.assert_outcomes(errors=1, passed=1, warnings=1)


def test_a_conftest_that_turns_the_gil_on_is_an_error(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import unmarked")
    pytester.makepyfile("def test_one(): pass")
    result = run(pytester, "--interlock")
    result.assert_outcomes(errors=1)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([headline("unmarked") + "*", "  your line *conftest.py:1"])


def test_fixtures_fail_in_their_own_phase(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        @pytest.fixture
        def before():
            import unmarked
        @pytest.fixture
        def after():
            yield
            import unmarked2
        def test_before(before): pass
        def test_after(after): pass
    """)
    result = run(pytester, "--interlock")
    result.assert_outcomes(passed=1, errors=2, warnings=2)
    result.stdout.fnmatch_lines(["*_ ERROR at setup of test_before _*", headline("unmarked") + "*",
                                 "*_ ERROR at teardown of test_after _*", headline("unmarked2") + "*"])


def test_skipped_and_expected_failures_are_no_way_out(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        def test_skipped():
            import unmarked
            pytest.skip("no")
        @pytest.mark.xfail
        def test_expected():
            import unmarked2
            assert False
    """)
    result = run(pytester, "--interlock")
    result.assert_outcomes(failed=2, warnings=2)


def test_a_failure_of_its_own_comes_with_the_explanation(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_one():\n    import unmarked\n    assert 1 == 2")
    result = run(pytester, "--interlock")
    result.assert_outcomes(failed=1, warnings=1)
    result.stdout.fnmatch_lines(["E *assert 1 == 2", "*- interlock -*", headline("unmarked") + "*"])


def test_a_policy_keeps_the_gil_off(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import sys
        def test_one():
            import unmarked
            assert not sys._is_gil_enabled()
    """)
    result = run(pytester, write_policy(pytester, "unmarked", "free"))
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["interlock: policy policy.json, the GIL is off",
                                 "  unmarked *unmarked *free *policy *off *.py:3",
                                 "The GIL was off to the end."])


def test_a_refused_import_fails_the_test_that_swallows_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        def test_one():
            try:
                import marked
            except ImportError:
                pass
    """)
    result = run(pytester, write_policy(pytester, "marked", "refuse"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["ImportError: module 'marked' is refused: *because: as the test wants it*",
                                 "  file *marked.cpython-*.so", "  your line *.py:3", "The GIL was off to the end."])


def test_what_is_only_known_at_run_time_is_blamed_as_well(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_one():\n    import undecided")
    result = run(pytester, "--interlock")
    result.assert_outcomes(failed=1, warnings=1)
    result.stdout.fnmatch_lines([headline("undecided") + "*",
                                 "  undecided *undetermined *interpreter *off -> on*"])


def test_a_thread_that_outlives_the_tests(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        import threading
        import pytest
        go = threading.Event()
        def late():
            go.wait()
            import unmarked
        thread = threading.Thread(target=late)
        thread.start()
        class First:
            @pytest.hookimpl(tryfirst=True)
            def pytest_sessionfinish(self):
                go.set()
                thread.join()
        def pytest_collection_finish(session):
            session.config.pluginmanager.register(First())
    """)
    pytester.makepyfile("def test_one(): pass")
    result = run(pytester, "--interlock")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["outside of all tests: " + headline("unmarked") + "*"])


def test_a_path_behind_the_option_is_no_policy(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_chosen="def test_one(): pass", test_other="def test_two(): pass")
    result = run(pytester, "--interlock", "test_chosen.py")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["interlock: no policy, the GIL is off"])


def test_in_the_configuration(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\naddopts = --interlock\nfilterwarnings = error")
    pytester.makepyfile("def test_one():\n    import unmarked")
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *interlock._warning.FallbackWarning: " + headline("unmarked") + "*"])


@pytest.mark.parametrize("content, said", [(None, "*policy.json*"), ("{", "*policy.json:1:*"),
                                           ('{"default": {"unmarked": "module_lock"}}', "*module_lock is for *")])
def test_a_wrong_policy_ends_the_run(pytester: pytest.Pytester, content: str | None, said: str) -> None:
    if content is not None:
        (pytester.path / "policy.json").write_text(content)
    pytester.makepyfile("def test_one(): pass")
    result = run(pytester, "--interlock=policy.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --interlock: " + said])


def test_a_plugin_that_was_there_first_ends_the_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(early="import unmarked", test_one="def test_one(): pass")
    pytester.syspathinsert()
    result = run(pytester, "-p", "early", "--interlock")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --interlock: the GIL was turned on before this plugin was loaded*unmarked*"])


@pytest.mark.parametrize("setting, state", [("0", "off"), ("1", "on")])
def test_pythons_own_option_wins(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, setting: str,
                                 state: str) -> None:
    monkeypatch.setenv("PYTHON_GIL", setting)
    pytester.makepyfile("def test_one():\n    import unmarked")
    result = run(pytester, "--interlock")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines([f"interlock: no policy, the GIL is {state}", f"The GIL was {state} to the end."])


def test_a_program_that_is_under_interlock_already_keeps_its_policy(pytester: pytest.Pytester) -> None:
    write_policy(pytester, "unmarked", "free")
    pytester.makepyfile("def test_one():\n    import unmarked\ndef test_two():\n    import unmarked2")
    result = pytester.runpython_c(
        "import sys, runpy; sys.argv = ['interlock', '--policy', 'policy.json', '-m', 'pytest', '--interlock']; "
        "runpy.run_module('interlock', run_name='__main__')")
    result.assert_outcomes(passed=1, failed=1, warnings=1)
    result.stdout.fnmatch_lines(["*_ test_two _*", headline("unmarked2") + "*"])


def test_where_there_is_a_gil_one_line_says_so_and_all_passes(pytester: pytest.Pytester) -> None:
    # As on an interpreter that is built with a GIL.
    pytester.makepyfile(built_with_gil="""
        import sys, sysconfig
        sys.abiflags = ""
        ask = sysconfig.get_config_var
        sysconfig.get_config_var = lambda name: 0 if name == "Py_GIL_DISABLED" else ask(name)
    """, test_one="import unmarked\ndef test_one(): pass")
    pytester.syspathinsert()
    result = run(pytester, "-p", "built_with_gil", "--interlock")
    assert result.ret == pytest.ExitCode.OK
    lines = [line for line in result.outlines if "interlock" in line.replace(str(pytester.path), "")
             and "plugins:" not in line]
    assert lines == ["interlock: this Python is not free-threaded, so markers have no effect here"]


def test_with_xdist_each_worker_reports(pytester: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    pytester.makepyfile("def test_one():\n    import unmarked\ndef test_two(): pass")
    result = run(pytester, "--interlock", "-n", "1")
    result.assert_outcomes(passed=1, failed=1, warnings=1)
    result.stdout.fnmatch_lines([headline("unmarked") + "*", "*= interlock =*", "worker gw0:",
                                 "The GIL came on for unmarked (*"])
