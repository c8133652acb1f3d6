"""Rolling back and ending trials say whose they are; what makes no sense changes nothing."""

from pathlib import Path

import pytest

from workers.runtime.registry.activations import Superseded
from workers.runtime.registry.registry import Registry
from workers.runtime.registry.switching import (
    NothingToRollBack,
    begin_trial,
    end_trial,
    roll_back,
)
from workers.runtime.registry.trial import Mode, Trial
from workers.runtime.store.files import open_blobs

OLD, NEW = "1" * 16, "2" * 16


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    made = Registry(open_blobs(str(tmp_path)))
    for version in (OLD, NEW):
        made.push(["bolts"], version, b"{}", b"x")
    made.activate("bolts", OLD, "ada", "first")
    return made


def test_nothing_before_the_first_version(registry: Registry) -> None:
    with pytest.raises(NothingToRollBack, match="nothing to go back to"):
        roll_back(registry, "bolts", by="ada", why="", expect=None)
    assert len(registry.history("bolts")) == 1


def test_a_rollback_goes_back_and_forth(registry: Registry) -> None:
    registry.activate("bolts", NEW, "ada", "second")
    assert roll_back(registry, "bolts", by="bob", why="loud", expect=2) == (3, OLD)
    assert roll_back(registry, "bolts", by="bob", why="quiet", expect=3) == (4, NEW)
    assert [each.why for each in registry.history("bolts")[2:]] == [
        "rollback: loud",
        "rollback: quiet",
    ]


def test_what_somebody_has_not_seen_is_not_ended(registry: Registry) -> None:
    trial = Trial(NEW, Mode.SHADOW, 0.5)
    assert begin_trial(registry, "bolts", trial, by="ada", why="", expect=1) == 2
    with pytest.raises(Superseded):
        end_trial(registry, "bolts", by="bob", why="x", expect=1, promote=True)
    assert end_trial(registry, "bolts", by="bob", why="x", expect=2, promote=True) == (3, NEW)
