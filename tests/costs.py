"""What each test costs: the processors' seconds of its process and of all that it started.

`make test-costs` lists the dearest. Seconds by the clock depend on what else runs; these hardly do.
"""

import os
from collections import defaultdict
from collections.abc import Generator

import psutil
import pytest

SHOWN = 60
COST = pytest.StashKey[float]()


def spent() -> float:
    """CPU seconds of this process and of its children, those that ended and those that live."""
    living = 0.0
    for child in psutil.Process().children(recursive=True):
        try:
            living += sum(child.cpu_times()[:4])  # with those of the children that it waited for
        except psutil.NoSuchProcess:
            continue
    return sum(os.times()[:4]) + living


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """From before the fixtures until after them; what all share costs its first user."""
    item.stash[COST] = spent()
    return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A report carries what was spent since the one before."""
    report = yield
    now = spent()
    report.user_properties.append(("cpu_s", now - item.stash[COST]))
    item.stash[COST] = now
    return report


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The dearest tests and files, and all of them together."""
    tests: dict[str, float] = defaultdict(float)
    files: dict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == "cpu_s":
                    tests[report.nodeid] += value
                    files[report.nodeid.split("::")[0]] += value
    lines = [f"{sum(tests.values()):.0f} CPU seconds in {len(tests)} tests"]
    for costs in (files, tests):
        dearest = sorted(costs.items(), key=lambda one: -one[1])[:SHOWN]
        lines += ["", *(f"{cost:7.1f}  {name}" for name, cost in dearest)]
    terminalreporter.section("costs")
    terminalreporter.write_line("\n".join(lines))
