"""The table of docs/reliability.md."""

import statistics
from collections.abc import Mapping, Sequence

from benchmarks.chaos.run import Result

_HEAD = (
    "| fault | times | frames | lost | twice | out of order | letters or events wrong "
    "| alarms lost | told twice | stood still, median (most) |\n"
    "|---|---|---|---|---|---|---|---|---|---|\n"
)


def as_markdown(about: Mapping[str, str], results: Sequence[Result]) -> str:
    """One line for each row of faults."""
    lines = [_line(result) for result in results]
    frames, faults = sum(r.sent for r in results), sum(r.faults for r in results)
    foot = f"\n{faults} faults, {frames} frames. `{about['command']}`, {about['date']}, "
    answers = "".join(map(_answers, results))
    return _HEAD + "".join(lines) + foot + f"{about['machine']}.\n" + answers


def _answers(result: Result) -> str:
    """What the PLC was told, where there was a gate."""
    told, found = result.extra.get("answers"), result.findings
    if not told:
        return ""
    return (
        f"\n{result.titles[0]}: {result.sent} parts, {told} answers, "
        f"{len(found.unanswered)} parts unanswered, {len(found.answered_wrong)} answered wrong.\n"
    )


def _line(result: Result) -> str:
    found = result.findings
    wrong = len(found.letters_wrong) + len(found.defects_wrong)
    cells = [
        "; ".join(result.titles),
        result.faults,
        result.sent,
        len(found.lost),
        len(found.repeated),
        len(found.out_of_order),
        wrong,
        len(found.alarms_lost) + len(found.alarms_untold),
        len(found.told_twice),
        _times([time for each in result.recovery_s.values() for time in each]),
    ]
    return "| " + " | ".join(map(str, cells)) + " |\n"


def _times(times: Sequence[float | None]) -> str:
    known = [time for time in times if time is not None]
    missing = len(times) - len(known)
    text = f"{statistics.median(known):.1f} s ({max(known):.1f} s)" if known else ""
    return text + (f", {missing} never" if missing else "")
