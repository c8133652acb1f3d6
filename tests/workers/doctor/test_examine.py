"""Every check runs, in its time, whatever becomes of the others; the exit code says the worst."""

import csv
import io
import json
import time

import pytest
from rich.console import Console

from workers.doctor.examine import Line, examine, exit_code
from workers.doctor.findings import Check, Finding, failed, ok, skipped, warning
from workers.doctor.report import as_json, show, told
from workers.runtime.errors import AccessDenied, ServerUnreachable
from workers.runtime.host.terminal import Terminal
from workers.runtime.listing import Form

BAD = failed("broken", "mend it", "some.setting")
ODD = warning("odd", "look at it")


def raises(error: Exception) -> list[Finding]:
    raise error


def test_a_failure_skips_what_needs_it_and_nothing_else() -> None:
    checks = [
        Check("a", "first", lambda: [BAD]),
        Check("a", "second", lambda: [ok("never asked")], needs="a: first"),
        Check("a", "third", lambda: [ok("never asked")], needs="a: second"),
        Check("b", "other", lambda: [ok("fine")]),
    ]
    lines = list(examine(checks))
    assert [line.finding.status for line in lines] == ["failed", "skipped", "skipped", "ok"]
    assert "a: second" in lines[2].finding.says


def test_a_check_may_need_several() -> None:
    checks = [
        Check("device", "present", lambda: [BAD]),
        Check("models", "bolts", lambda: [ok("there")]),
        Check("models", "on cuda", lambda: [BAD], needs=("models: bolts", "device: present")),
    ]
    assert "device: present" in list(examine(checks))[-1].finding.says


def test_a_warning_skips_nothing() -> None:
    checks = [Check("a", "1", lambda: [ODD]), Check("a", "2", lambda: [ok("asked")], needs="a: 1")]
    assert [line.finding.says for line in examine(checks)] == ["odd", "asked"]


@pytest.mark.parametrize(
    ("error", "says", "do"),
    [
        (ServerUnreachable("no answer at h:1"), "no answer at h:1", "start it"),
        (AccessDenied("not for you"), "not for you", "grant the right, or set a login that has it"),
        (AccessDenied("no TLS", "set the protocol"), "no TLS", "set the protocol"),
        (NotADirectoryError("evidence"), "NotADirectoryError: evidence", "start it"),
        (KeyError("x"), "KeyError: 'x'", "if the message does not tell, report it as a fault"),
    ],
)
def test_what_raises_has_failed(error: Exception, says: str, do: str) -> None:
    check = Check("a", "1", lambda: raises(error), do="start it", setting="kafka.x")
    (line,) = examine([check])
    assert line.finding.status == "failed"
    assert line.finding.says == says
    assert line.finding.do == do


def test_what_hangs_is_given_up() -> None:
    def hang() -> list[Finding]:
        time.sleep(30)
        return [ok("too late")]

    start = time.monotonic()
    lines = list(examine([Check("a", "1", hang, limit_s=0.1), Check("a", "2", lambda: [ok("x")])]))
    assert time.monotonic() - start < 5
    assert [line.finding.status for line in lines] == ["failed", "ok"]
    assert "no answer within 0.1 s" in lines[0].finding.says


@pytest.mark.parametrize(
    ("findings", "plain", "strict"),
    [([ok("x"), skipped("y")], 0, 0), ([ok("x"), ODD], 0, 1), ([ODD, BAD], 1, 1)],
)
def test_the_exit_code_is_that_of_the_worst(
    findings: list[Finding], plain: int, strict: int
) -> None:
    lines = [Line("a", "b", finding, 0.0) for finding in findings]
    assert exit_code(lines, strict=False) == plain
    assert exit_code(lines, strict=True) == strict


def test_a_line_says_what_to_do_and_names_its_setting() -> None:
    console = Console(record=True, width=60, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    show([Line("broker", "topic [frames]", BAD, 0.0), Line("broker", "x", ODD, 0.0)], console)
    text = console.export_text()
    assert "failed   topic [frames]: broken" in text
    assert "-> mend it (setting some.setting)" in text
    assert "-> look at it\n" in text
    assert "1 warning, 1 failed" in text


def test_json_has_the_same() -> None:
    (plain,) = json.loads(as_json([Line("a", "b", BAD, 0.5)]))
    assert plain == {
        "area": "a",
        "check": "b",
        "seconds": 0.5,
        "status": "failed",
        "says": "broken",
        "do": "mend it",
        "setting": "some.setting",
    }


def test_csv_has_a_row_for_each_line(capsys: pytest.CaptureFixture[str]) -> None:
    told([Line("a", "b", BAD, 0.5)], Terminal(), Form.CSV)
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row["status"] == "failed"
    assert row["do"] == "mend it"
    assert row["setting"] == "some.setting"
