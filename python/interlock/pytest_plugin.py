"""pytest's plugin: ``pytest --interlock`` or ``pytest --interlock=POLICY``.

Imports are decided as by `interlock.install()`. A collection or a test that turns the GIL on, or that imports a module
which is refused, fails with the text of the warning, whatever the warning filters are and whoever swallows the
exception. What is imported in a thread, or between two tests, counts for the one that ends next.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import copy
import os
import sys
from collections.abc import Generator
from typing import Any

import pytest

from ._install import install, installed
from ._report import modules, report
from ._state import NOT_FREE_THREADED, is_free_threaded, is_gil_enabled
from ._warning import text_of

_NAME = "interlock-guard"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("interlock", "the GIL of free-threaded Python").addoption(
        "--interlock", nargs="?", const="", default=None, metavar="POLICY",
        help="Fail what turns the GIL on or imports a module that is refused, by the policy file if one is given "
             "(only with '=': what follows a space is for pytest).")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    # Before any conftest.py is imported.
    if "--interlock" in args:
        # The parser would take the next argument for the policy: `pytest --interlock tests`.
        args[:] = ["--interlock=" if one == "--interlock" else one for one in args]
        confcutdir = early_config.known_args_namespace.confcutdir
        early_config.known_args_namespace = parser.parse_known_args(args, namespace=copy.copy(early_config.option))
        early_config.known_args_namespace.confcutdir = confcutdir
    _begin(early_config, early_config.known_args_namespace.interlock)


def pytest_configure(config: pytest.Config) -> None:
    # For a plugin that was registered too late for the other hook, as by pytest_plugins in a conftest.py.
    if not config.pluginmanager.has_plugin(_NAME):
        _begin(config, config.getoption("--interlock", None))


def pytest_report_header(config: pytest.Config) -> str | None:
    policy = config.getoption("--interlock", None)
    if policy is None:
        return None
    if not is_free_threaded():
        return NOT_FREE_THREADED
    by = f"policy {policy}" if policy else "no policy"
    return f"interlock: {by}, the GIL is {'on' if is_gil_enabled() else 'off'}"


def _begin(config: pytest.Config, policy: str | None) -> None:
    if policy is None or not is_free_threaded():
        return
    # `python -m interlock --policy FILE -m pytest --interlock` keeps the policy that it has.
    if policy or not installed():
        try:
            install(policy or None)
        except (ValueError, ImportError) as error:
            raise pytest.UsageError(f"--interlock: {error}") from None
    if is_gil_enabled() and sys.flags.gil is None and not modules():
        raise pytest.UsageError(
            "--interlock: the GIL was turned on before this plugin was loaded, by a module that another plugin "
            f"imported; it is one of: {', '.join(report()['imported_before_install']) or 'not known'}. Python's own "
            "warning names it; `python -m interlock -m pytest --interlock` decides for such modules as well")
    config.pluginmanager.register(_Guard(policy), _NAME)


def _is_culprit(record: dict[str, Any]) -> bool:
    # Of two threads that import at the same time both may have seen the GIL come on, and one may have seen it while it
    # was on for the other's import only: what is known to leave it alone is not to blame, and nobody while it is off.
    action, failed = record.get("action"), record.get("error", "")
    if action == "refuse" or failed.startswith("FallbackWarning:"):
        return True
    if sys.flags.gil is not None or not record["gil_after"] or not is_gil_enabled():
        return False
    # The second one that needs the GIL would have turned it on as well.
    return action == "global_lock" or (action != "free" and not record["gil_before"])


def _explanation(record: dict[str, Any]) -> str:
    if record.get("action") == "refuse":
        text = f"{record.get('error', 'ImportError')}\n  file         {record['file']}"
        if record["imported_by"]:
            text += f"\n  imported by  {' <- '.join([record['module'], *record['imported_by']])}"
        return text + (f"\n  your line    {record['your_line']}" if record["your_line"] else "")
    return text_of(record["module"], record["file"], record, [record["module"], *record["imported_by"]])


class _Guard:
    """Registered while --interlock counts."""

    def __init__(self, policy: str) -> None:
        self._policy = policy
        self._seen = 0
        self._blamed: set[tuple[str, str, str]] = set()
        self._by_workers: dict[str, dict[str, Any]] = {}  # of pytest-xdist
        self._left: list[str] = []  # what no test and no collection can be blamed for

    def _new_culprits(self) -> list[str]:
        """Explanations of what has been imported since the last call; each culprit once."""
        records = modules()
        new, self._seen = records[self._seen:], len(records)
        texts = []
        for record in filter(_is_culprit, new):
            key = (record["module"], record["file"], record.get("action", ""))
            # A module that is refused is so each time; one that turned the GIL on cannot do so again.
            if key in self._blamed and record["gil_after"] and record.get("action") != "refuse":
                continue
            self._blamed.add(key)
            texts.append(_explanation(record))
        return texts

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(
            self, collector: pytest.Collector) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        # Collections are nested; what was imported before the first one (by a conftest.py) is the session's.
        before = self._new_culprits()
        result = yield
        return _failed(result, before + self._new_culprits())

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
            self, item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport,
                                                                               pytest.TestReport]:
        result = yield
        return _failed(result, self._new_culprits())

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        self._left = self._new_culprits()
        if self._left and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["interlock"] = {"report": _plain(report()), "left": self._left}

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        output = getattr(node, "workeroutput", {}).get("interlock")
        if output is not None:
            self._by_workers[node.gateway.id] = output["report"]
            self._left += output["left"]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        terminalreporter.section("interlock")
        for text in self._left:
            terminalreporter.line(f"outside of all tests: {text}", red=True)
        for worker, one in self._by_workers.items() or [("", report())]:
            if worker:
                terminalreporter.line(f"worker {worker}:")
            for line in _summary(one, config.get_verbosity() > 0):
                terminalreporter.line(line)


def _failed[Report: (pytest.CollectReport, pytest.TestReport)](result: Report, texts: list[str]) -> Report:
    if not texts:
        return result
    if result.failed:
        # It has a failure of its own, which is often the exception of the import.
        result.sections.append(("interlock", "\n".join(texts)))
    else:
        result.outcome = "failed"
        result.longrepr = "\n".join(texts)
        if isinstance(result, pytest.CollectReport):
            result.result = []
    return result


def _plain(value: Any) -> Any:
    """As pytest-xdist can send it to another process."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _importer(record: dict[str, Any]) -> str:
    chain = " <- ".join(record["imported_by"])
    place = record["line"]
    if place:
        file, _, line = place.rpartition(":")
        relative = os.path.relpath(file)
        place = f"{file if relative.startswith(os.pardir) else relative}:{line}"
    return ", ".join(filter(None, [chain, place])) or "-"


def _summary(one: dict[str, Any], all_of_it: bool) -> list[str]:
    records = one["modules"]
    counts: dict[str, int] = {}
    for record in records:
        action = record.get("action", "not decided")
        counts[action] = counts.get(action, 0) + 1
    listed = ", ".join(f"{count} {action}" for action, count in sorted(counts.items()))
    lines = [f"{len(records)} import{'' if len(records) == 1 else 's'} of extension modules: {listed}" if records
             else "no extension module was imported"]
    shown = records if all_of_it else [record for record in records if record.get("action") != "free"
                                       or record.get("decided_by") != "marker" or "error" in record]
    if shown:
        rows = [("MODULE", "VERDICT", "DECISION", "DECIDED BY", "GIL", "IMPORTED BY")]
        for record in shown:
            now = "on" if record["gil_after"] else "off"
            gil = now if record["gil_before"] == record["gil_after"] else "off -> on"
            rows.append((record["module"], record.get("verdict") or "-", record.get("action", "-"),
                         record.get("decided_by") or "-", gil, _importer(record)))
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines += ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    if len(shown) < len(records):
        lines.append(f"  {len(records) - len(shown)} more by their own marker; -v shows them")
    before = [name for name in one["imported_before_install"]
              if name.partition(".")[0] not in sys.stdlib_module_names]
    if before:
        lines.append(f"imported before interlock was there, and not decided: {', '.join(before)}")
    lines += [f"note: {text}" for text in one["notes"]]
    came_on = one["gil_came_on"]
    if came_on is not None:
        by = next((_importer(record) for record in records if record["module"] == came_on["module"]
                   and record["file"] == came_on["file"]), "-")  # it may still be under way
        lines.append(f"The GIL came on for {came_on['module']} ({came_on['file']}), imported by {by}; "
                     "from then on tests ran with it.")
    else:
        lines.append(f"The GIL was {'on' if one['gil_enabled'] else 'off'} to the end.")
    return lines
