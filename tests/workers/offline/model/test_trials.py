"""`model try`, `compare`, `promote` and `end`, on a folder and an in-memory broker."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from schemas.documents import samples
from schemas.outcome import Outcome, Verdict
from schemas.review import Judgement, Review
from workers.cli import app
from workers.offline.model.run import Desk
from workers.offline.model.trials import Heard
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.bus.passed_over import PassedOver
from workers.runtime.bus.ports import Outgoing, Record
from workers.runtime.lifecycle import StopSignal
from workers.runtime.listing import Form
from workers.runtime.registry.registry import Registry
from workers.runtime.registry.switching import NoTrial
from workers.runtime.registry.trial import Mode, Trial
from workers.runtime.settings.process import TopicSettings
from workers.runtime.store.files import open_blobs

TOPICS = TopicSettings()
OLD, NEW = "1111111111111111", "2222222222222222"


class Plant:
    """A store with two versions, what they said, and an operator's desk."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.broker = folder, MemoryBroker()
        self.registry = Registry(open_blobs(str(folder)))
        for version in (OLD, NEW):
            self.registry.push(["fryum"], version, b"{}", b"x")
        self.registry.activate("fryum", OLD, "ada", "first")
        self.console = Console(record=True, width=200)
        self.asked: list[datetime] = []

    def run(self, *arguments: object) -> Result:
        given = ("--store", self.folder, "--set", "redis.url=redis://127.0.0.1:1/0")
        away = ("--set", "kafka.connect_timeout_s=0.2")
        return CliRunner().invoke(app, ["model", *map(str, (*arguments, *given, *away))])

    def say(self, number: int, version: str, alarms: bool, topic: str = TOPICS.outcomes) -> Outcome:
        frame = samples.OUTCOME.frame
        assert frame is not None
        fields = {
            "outcome_id": f"{number:032x}",
            "frame": frame.model_copy(update={"frame_id": f"f{number}", "sequence": number}),
            "verdict": Verdict.DEFECT if alarms else Verdict.PASS,
            "model_version": version,
        }
        outcome = samples.OUTCOME.model_copy(update=fields)
        self.broker.append(Outgoing(topic, outcome.encode()))
        return outcome

    def compare(self, *, decide: bool = False) -> str:
        def read(topic: str, since: datetime) -> Iterator[Record]:
            self.asked.append(since)
            return iter(self.broker.records(topic))

        heard = Heard(TOPICS, read, PassedOver())
        desk = Desk(self.registry, self.console, StopSignal(), "models")
        desk.compare_trial("fryum", heard, 0.95, Form.TABLE, decide=decide, by="ada")
        return self.console.export_text()

    def begin(self, mode: Mode = Mode.SHADOW, **changes: object) -> None:
        trial = Trial(NEW, mode, most_alarms=0.01, least_frames=100, **changes)  # type: ignore[arg-type]
        self.registry.activate("fryum", OLD, "ada", "", trial=trial)

    @property
    def active(self) -> str:
        last = self.registry.last("fryum")
        assert last is not None
        return f"{last.version}{' and a trial' if last.trial else ''}"


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path / "models")


def test_a_trial_is_begun_and_ended_and_the_history_says_who_and_why(plant: Plant) -> None:
    begun = plant.run("try", "fryum", NEW[:6], "--shadow", "20%", "--camera", "line-*")
    assert begun.exit_code == 0, begun.output
    last = plant.registry.last("fryum")
    assert last is not None
    assert last.trial == Trial(NEW, Mode.SHADOW, 0.2, ("line-*",))
    assert plant.run("end", "fryum", "--why", "misses dents").exit_code == 0
    assert plant.active == OLD
    why = [each.why for each in plant.registry.history("fryum")]
    assert why[1:] == [
        f"shadow {NEW}, 0.2 of the frames of line-*",
        f"ended shadow {NEW}, 0.2 of the frames of line-*: misses dents",
    ]


def test_a_promoted_version_can_be_rolled_back(plant: Plant) -> None:
    plant.run("try", "fryum", NEW, "--canary", "5%")
    assert plant.run("promote", "fryum", "--why", "a quiet week").exit_code == 0
    assert plant.active == NEW
    assert plant.run("rollback", "fryum", "--why", "loud").exit_code == 0
    assert plant.active == OLD


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("try", "fryum", NEW), "--shadow SHARE or --canary SHARE"),
        (("try", "fryum", NEW, "--shadow", "5%", "--canary", "5%"), "give one of them"),
        (("try", "fryum", NEW, "--shadow", "0"), "more than none"),
        (("try", "fryum", NEW, "--canary", "many"), "percentage"),
        (("try", "fryum", OLD, "--shadow", "5%"), "is the active one"),
        (("end", "fryum", "--why", "x"), "no version is on trial"),
        (("promote", "fryum", "--why", "x"), "no version is on trial"),
        (("try", "nuts", NEW, "--shadow", "5%"), "nothing is active"),
    ],
)
def test_what_makes_no_sense_is_said(
    plant: Plant, arguments: tuple[str, ...], complaint: str
) -> None:
    result = plant.run(*arguments)
    assert result.exit_code != 0
    assert complaint in " ".join(result.output.replace("│", " ").split())
    assert plant.active == OLD


def test_somebody_else_was_faster(plant: Plant) -> None:
    assert plant.run("try", "fryum", NEW, "--shadow", "5%", "--expect", "0").exit_code == 75


def test_a_shadow_is_compared_frame_by_frame_and_promoted_by_its_guard(plant: Plant) -> None:
    plant.begin()
    for number in range(900):
        plant.say(number, OLD, alarms=number % 50 == 0)
        if number % 2 == 0:  # it saw half of the frames, one of them delivered twice
            plant.say(number, NEW, alarms=number % 50 == 0, topic=TOPICS.shadows)
    plant.say(0, NEW, alarms=True, topic=TOPICS.shadows)
    plant.say(2, "9999999999999999", alarms=True, topic=TOPICS.shadows)  # of an earlier trial
    printed = plant.compare(decide=True)
    assert f"only {NEW} alarms on 0 frames, only the active one on 0" in printed
    assert "450" in printed
    assert "promote" in printed
    assert plant.active == NEW
    assert plant.asked[0] < datetime.now(UTC) < plant.asked[0] + timedelta(hours=1)


def test_a_missed_defect_ends_a_trial_whatever_the_shares_say(plant: Plant) -> None:
    plant.begin()
    for number in range(900):
        old = plant.say(number, OLD, alarms=number == 3)
        plant.say(number, NEW, alarms=False, topic=TOPICS.shadows)
        if number == 3:
            said = Review.of(old, Judgement.RIGHT, by="ada", at=datetime.now(UTC))
            plant.broker.append(Outgoing(TOPICS.reviews, said.encode()))
    assert "defective 0 and 1" in plant.compare(decide=True)
    assert plant.active == OLD


@pytest.mark.parametrize(
    ("every", "left"), [(3, OLD), (200, f"{OLD} and a trial")], ids=["worse", "not sure"]
)
def test_a_canary_is_compared_with_the_frames_of_the_active_version(
    plant: Plant, every: int, left: str
) -> None:
    plant.begin(Mode.CANARY, share=0.2)
    for number in range(1000):
        mine = number % 5 == 0
        alarms = number % every == 0 if mine else number % 50 == 1
        plant.say(number, NEW if mine else OLD, alarms=alarms)
    printed = plant.compare(decide=True)
    assert "it alarms on" in printed
    assert plant.active == left


def test_without_a_guard_nothing_is_decided(plant: Plant) -> None:
    plant.registry.activate("fryum", OLD, "ada", "", trial=Trial(NEW, Mode.SHADOW))
    assert "guard" not in plant.compare()
    with pytest.raises(NoTrial, match="no guard"):
        plant.compare(decide=True)
