"""Runs every check within its time, whatever becomes of the others."""

import queue
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from workers.doctor.findings import Check, Finding, Status, failed, skipped
from workers.runtime.errors import AccessDenied, WorkerError


@dataclass(frozen=True, slots=True)
class Line:
    """A finding, and where it was made."""

    area: str
    name: str
    finding: Finding
    seconds: float


def examine(checks: Iterable[Check]) -> Iterator[Line]:
    """A line for every finding, in the order of the checks."""
    unmet: set[str] = set()
    for check in checks:
        start = time.monotonic()
        findings = _findings(check, unmet)
        seconds = round(time.monotonic() - start, 3)
        if any(each.status in (Status.FAILED, Status.SKIPPED) for each in findings):
            unmet.add(check.title)
        for finding in findings:
            yield Line(check.area, check.name, finding, seconds)


def _findings(check: Check, unmet: set[str]) -> list[Finding]:
    lacking = check.lacks(unmet)
    if lacking is not None:
        return [skipped(f"needs `{lacking}`, which is not ok")]
    answer: queue.Queue[list[Finding]] = queue.Queue(1)
    work = threading.Thread(target=lambda: answer.put(_run(check)), name=check.title, daemon=True)
    work.start()
    try:
        return answer.get(timeout=check.limit_s)
    except queue.Empty:
        says = f"no answer within {check.limit_s:g} s"
        return [
            failed(says, "look whether what is asked here hangs, then try again", check.setting)
        ]


def _run(check: Check) -> list[Finding]:
    try:
        return check.run()
    except AccessDenied as error:
        return [failed(str(error), error.do, check.setting)]
    except WorkerError as error:
        return [failed(str(error), check.do, check.setting)]
    except OSError as error:  # of files, sockets and stores: the surroundings, no fault of ours
        return [failed(f"{type(error).__name__}: {error}", check.do, check.setting)]
    except Exception as error:
        kind = type(error).__name__
        return [failed(f"{kind}: {error}", "if the message does not tell, report it as a fault")]


def exit_code(lines: Iterable[Line], *, strict: bool) -> int:
    """1 when something failed; with `strict` also when there is a warning."""
    bad = {Status.FAILED, Status.WARNING} if strict else {Status.FAILED}
    return int(any(line.finding.status in bad for line in lines))
