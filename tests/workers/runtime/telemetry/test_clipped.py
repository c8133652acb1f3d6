"""No line of the log grows with what a record says, and none moves a terminal's cursor."""

import json
import logging

import pytest
import structlog

from workers.runtime.settings.process import LogSettings
from workers.runtime.telemetry.logs import setup_logging

HUGE = {
    "control": "\x1b[2J" * 1_000_000,
    "bytes": b"\x00" * 4_000_000,
    "number": 10**400,
    "list": ["x" * 10_000] * 10_000,
    "mapping": {f"k{n}": "\x07" * 1000 for n in range(10_000)},
    "surrogate": "\ud800",
}


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.slow
def test_a_line_is_bounded_and_printable(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(LogSettings(format=form), "worker")  # type: ignore[arg-type]
    try:
        raise ValueError("\x1b[2J" * 100_000)  # noqa: TRY301
    except ValueError:
        if form == "json":
            structlog.get_logger("a").exception("broke " * 1000, **HUGE)
    structlog.get_logger("a").warning("bad " * 1000, **HUGE)
    logging.getLogger("b").error("bad %s", "\x1b[2J" * 1_000_000)
    structlog.get_logger("a").warning("usual", n=7, share=0.5, ok=True, nothing=None)
    *lines, usual = capsys.readouterr().err.splitlines()
    assert lines
    assert max(map(len, lines)) < 200_000
    assert not any("\x1b[2J" in line or "\x07" in line for line in lines)
    if form == "json":
        told = json.loads(usual)
        assert (told["n"], told["share"], told["ok"], told["nothing"]) == (7, 0.5, True, None)
