"""Each failure has its own advice, and none stops the other checks."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workers.cli import app
from workers.runtime.bus.kafka.refusals import advice, refusal
from workers.runtime.settings.security import KafkaSecurity

NOWHERE = (
    *("--set", "kafka.bootstrap_servers=127.0.0.1:9", "--set", "redis.url=redis://127.0.0.1:9/0"),
    *("--set", "kafka.connect_timeout_s=0.2", "--set", "redis.connect_timeout_s=0.2"),
)


def lines(*assignments: str, process: str = "worker") -> Iterator[dict[str, str]]:
    given = [word for each in assignments for word in ("--set", each)]
    result = CliRunner().invoke(app, ["doctor", process, "--quick", "--json", *NOWHERE, *given])
    assert result.exit_code == 1, result.output
    found = json.loads(result.stdout)
    yield from found


def of(found: list[dict[str, str]], area: str, name: str) -> dict[str, str]:
    return next(each for each in found if (each["area"], each["check"]) == (area, name))


@pytest.mark.slow
def test_a_missing_category_stops_no_other_check(tmp_path: Path) -> None:
    found = list(lines(f"models.store={tmp_path}/models"))
    wrong = of(found, "settings", "categories")
    assert wrong["status"] == "failed"
    assert "categories.folder" in wrong["do"]
    areas = {each["area"] for each in found}
    assert {"broker", "Redis", "stores", "device", "clocks"} <= areas


@pytest.mark.parametrize("below", ["file/evidence", "file"])
@pytest.mark.slow
def test_evidence_that_cannot_be_written_says_so(below: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    found = lines(f"evidence.url={tmp_path}/{below}", process="explainer")
    wrong = of(list(found), "stores", "evidence")
    assert wrong["status"] == "failed"
    assert "let this user write" in wrong["do"]
    assert wrong["setting"] == "evidence.url"


@pytest.mark.slow
def test_a_device_that_is_not_there_blames_no_model(tmp_path: Path) -> None:
    found = list(lines("models.device=cuda:99", "categories.names=[bolts]"))
    assert "name one that is there" in of(found, "device", "present")["do"]
    assert not [each for each in found if "activate another" in (each["do"] or "")]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1000)", "what this listener"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] unknown ca (_ssl.c:1000)", "authority that signed"),
        ("SaslAuthenticationFailedError: bad password", "correct user, password"),
        ("<broker_version=None> socket disconnected", "what this listener"),
        ("<broker_version=(3, 9)> socket disconnected", "what this listener"),
    ],
)
def test_each_refusal_of_the_broker_has_its_own_advice(line: str, words: str) -> None:
    refused = refusal([line], KafkaSecurity())
    assert refused is not None
    assert words in advice(refused)
