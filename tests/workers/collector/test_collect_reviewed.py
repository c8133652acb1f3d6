"""Pictures of what people judged: from an in-memory broker into the folder that commands read."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from test_collect import START, Line

from schemas.frame import Frame
from schemas.outcome import Outcome, RejectReason, Verdict
from schemas.review import Judgement, Review, Sample
from stream_inspector.errors import DataError
from workers.offline.images import datasets
from workers.offline.images.datasets import all_good, categories_in
from workers.runtime.bus.ports import Outgoing
from workers.runtime.datasets.reviewed import DEFECTIVE, REVIEWED, lineage, reviews_of
from workers.runtime.errors import SettingsError


class Reviewers(Line):
    """A line whose parts people judge."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.broker.create_topic("reviews", 1)

    def judge(
        self,
        frame: Frame,
        judgement: Judgement,
        sample: Sample | None = None,
        hours: float = 1,
        **changes: Any,
    ) -> Review:
        name = self.sent.index(frame)
        records = self.broker.records("outcomes")
        (outcome,) = (
            found
            for found in (Outcome.decode(r.headers, r.value) for r in records)
            if found.record == self.places[name]
        )
        said = Review.of(
            outcome,
            judgement,
            by="ada",
            at=START + timedelta(hours=hours),
            sample=sample,
            **changes,
        )
        self.broker.append(Outgoing("reviews", said.encode()))
        return said

    @property
    def judged(self) -> Path:
        return self.folder / "bolts" / "reviewed"

    def found(self) -> dict[str, int]:
        """Pictures by their folder."""
        paths = [p for p in self.judged.rglob("*.png") if p.is_file()]
        folders = [p.parent.relative_to(self.judged).as_posix() for p in paths]
        return {each: folders.count(each) for each in sorted(folders)}


@pytest.fixture
def line(tmp_path: Path) -> Reviewers:
    return Reviewers(tmp_path)


def collect(line: Reviewers, **how: Any) -> str:
    return line.collect(verdict="reviewed", **how)


def test_each_picture_lies_where_its_last_word_puts_it(line: Reviewers) -> None:
    audited, false, chosen, bad, missed, unsure, nobody = (
        line.frame(verdict)
        for verdict in (
            *(Verdict.PASS, Verdict.DEFECT, Verdict.DEFECT, Verdict.DEFECT),
            *(Verdict.PASS, Verdict.DEFECT, Verdict.DEFECT),
        )
    )
    line.judge(audited, Judgement.RIGHT, Sample.AUDIT)
    line.judge(false, Judgement.FALSE_ALARM, Sample.AUDIT)
    line.judge(chosen, Judgement.FALSE_ALARM)
    line.judge(bad, Judgement.RIGHT, kind="deep scratch/2")
    line.judge(missed, Judgement.MISSED, kind="ok")
    line.judge(unsure, Judgement.UNSURE)
    printed = collect(line)
    assert line.found() == {
        "audit": 2,
        "chosen": 1,
        "defective/deep_scratch_2": 1,
        "defective/defect-ok": 1,  # no kind of defect may be called good
    }
    assert nobody.data not in [p.read_bytes() for p in line.judged.rglob("*.png")]
    assert "2 pictures taken into" in printed


def test_a_word_that_changes_moves_the_picture_though_its_frame_is_gone(line: Reviewers) -> None:
    frame = line.frame(Verdict.DEFECT)
    line.judge(frame, Judgement.FALSE_ALARM, Sample.AUDIT)
    collect(line)
    assert line.found() == {"audit": 1}
    line.judge(frame, Judgement.RIGHT, hours=2, kind="dent")
    collect(line)
    assert line.found() == {"defective/dent": 1}
    line.judge(frame, Judgement.UNSURE, hours=3)
    collect(line)
    assert line.found() == {"undecided": 1}
    assert REVIEWED.pictures(line.judged, "audit") == []
    assert collect(line).count("moved") == 0


def test_a_run_that_was_killed_goes_on(line: Reviewers) -> None:
    frames = [line.frame(Verdict.PASS) for _ in range(3)]
    for frame in frames:
        line.judge(frame, Judgement.RIGHT, Sample.AUDIT)
    collect(line)
    book = line.judged / "reviews.jsonl"
    book.write_bytes(book.read_bytes()[:-30])  # half a line
    collect(line)
    assert len(REVIEWED.good(line.judged)) == 3
    before = book.read_bytes()
    collect(line)
    assert book.read_bytes() == before  # each once, however often it runs


def test_what_cannot_be_had_is_counted(line: Reviewers) -> None:
    frame = line.frame(Verdict.PASS)
    said = line.judge(frame, Judgement.RIGHT, Sample.AUDIT)
    gone = said.model_copy(
        update={"record": said.record.model_copy(update={"offset": 999}), "outcome_id": "1" * 32}
    )
    line.broker.append(Outgoing("reviews", gone.encode()))
    rejected = line.frame(RejectReason.UNDECODABLE, data=b"no picture")
    line.judge(rejected, Judgement.MISSED)
    printed = collect(line)
    assert "1 judged, but their frames are not on the topic any more" in printed
    assert "1 no whole picture" in printed


def test_another_picture_under_the_same_id_and_place_is_not_that_part(line: Reviewers) -> None:
    frame = line.frame(Verdict.PASS)
    said = line.judge(frame, Judgement.RIGHT, Sample.AUDIT)
    other = said.frame.model_copy(update={"content": "0" * 16})
    line.broker.append(Outgoing("reviews", said.model_copy(update={"frame": other}).encode()))
    collect(line)
    assert len(REVIEWED.pictures(line.judged, "audit")) == 1


def test_reviews_come_after_their_frames(line: Reviewers) -> None:
    with pytest.raises(SettingsError, match=r"collect\.follow"):
        collect(line, follow=True)


@pytest.fixture
def judged(line: Reviewers) -> Path:
    """Two audited good parts, a false alarm that was chosen by its score, and a dent."""
    for _ in range(2):
        line.judge(line.frame(Verdict.PASS), Judgement.RIGHT, Sample.AUDIT)
    line.judge(line.frame(Verdict.DEFECT), Judgement.FALSE_ALARM)
    line.judge(line.frame(Verdict.DEFECT), Judgement.RIGHT, kind="dent")
    collect(line)
    return line.judged


def test_every_command_reads_it_and_only_the_random_sample_is_good(judged: Path) -> None:
    assert {path.parent.name for path in all_good(judged)} == {"audit"}
    assert all_good(judged, "mvtec") == all_good(judged)  # it is what it is
    kinds = [(file.kind, file.defective) for file in datasets.test_files(judged)]
    assert kinds == [("good", False), ("good", False), ("dent", True)]
    assert [each.name for each in categories_in(judged)] == ["bolts"]


def test_what_was_chosen_by_its_score_is_refused_as_good(judged: Path) -> None:
    with pytest.raises(DataError, match="because of their score"):
        all_good(judged / "chosen")


def test_lineage_names_the_reviews_in_any_order(judged: Path) -> None:
    reviews = reviews_of([*all_good(judged), *(judged / DEFECTIVE).rglob("*.png"), judged / "no"])
    told = lineage(reviews)
    assert told == lineage(reversed(reviews))
    assert told["reviews"] == 3
    assert told["reviews_from"] == told["reviews_to"] == "2026-03-01T09:00:00Z"
    assert lineage(reviews[:2])["reviews_digest"] != told["reviews_digest"]
    assert lineage([]) == {}


def test_only_files_of_the_book_count(judged: Path) -> None:
    stranger = judged / "audit" / "stranger.png"
    stranger.write_bytes(next((judged / "audit").glob("*.png")).read_bytes())
    assert stranger not in all_good(judged)
    lines = (judged / "reviews.jsonl").read_text().splitlines()
    assert len({json.loads(each)["sha256"] for each in lines}) == 4
