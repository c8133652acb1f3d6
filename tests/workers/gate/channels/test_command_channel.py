"""A program is run for an answer, without a shell, and what goes wrong with it is told."""

import sys
from pathlib import Path

import pytest

from tests.workers.gate.parts import answer
from workers.gate.answers import Decision
from workers.gate.channels.channel import ChannelDown
from workers.gate.channels.command import CommandChannel
from workers.gate.settings import CommandSettings

pytestmark = pytest.mark.integration

WRITE = (sys.executable, "-c", "import sys; open(sys.argv[1], 'a').write(sys.argv[2] + '\\n')")
FAIL = (sys.executable, "-c", "import sys; sys.exit('no such pin')")
SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")


def channel(**given: object) -> CommandChannel:
    return CommandChannel(CommandSettings.model_validate(given), {"line-1": 3})


def test_a_reject_runs_its_program_with_what_is_known(tmp_path: Path) -> None:
    file = tmp_path / "pin"
    said = "{camera} {lane} {part} {decision} {reason} {other} $(id)"
    wire = channel(on_reject=(*WRITE, str(file), said), timeout_s=30)
    wire.open()
    wire.send(answer(4))
    wire.send(answer(5, Decision.NOT_INSPECTED))
    assert file.read_text() == "line-1 3 5 not-inspected deadline {other} $(id)\n"


def test_a_pass_may_have_a_program_too(tmp_path: Path) -> None:
    wire = channel(on_pass=(*WRITE, str(tmp_path / "pin"), "{part}"), timeout_s=30)
    wire.send(answer(4))
    wire.send(answer(5, Decision.REJECT))
    assert (tmp_path / "pin").read_text() == "4\n"


@pytest.mark.parametrize(
    ("words", "timeout_s", "why"),
    [
        (FAIL, 30, "ended with 1: no such pin"),
        (SLEEP, 0.5, "timed out"),
        (("nowhere",), 1, "No such"),
    ],
)
def test_a_program_that_fails_hangs_or_is_missing_is_told(
    words: tuple[str, ...], timeout_s: float, why: str
) -> None:
    wire = channel(on_reject=words, timeout_s=timeout_s)
    with pytest.raises(ChannelDown, match=why):
        wire.send(answer(0, Decision.REJECT))
