from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from schemas.defect import CounterpartCheck, Evidence
from schemas.documents.samples import EXPLANATION
from schemas.explanation import Explanation
from schemas.outcome import FrameRef
from stream_inspector.image.pictures import encode_png
from workers.demo.books.lines import Observed, SentFrame
from workers.demo.books.rescore import Rescored
from workers.demo.books.tally import tally
from workers.demo.page.gallery import Material, evidence, group, make_card, sections, write_panels

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
GREY = np.full((32, 32, 3), 128, np.uint8)


def sent(name: str, truth: str | None) -> SentFrame:
    return SentFrame(name, "cam-1", 0, "nut", NOON, truth, path=f"/parts/{name}.png")


def seen(name: str, verdict: str, score: float) -> Observed:
    base = Observed(
        f"o{name}", name, "cam-1", verdict, None, score, 2.0, "v", "c", "w", 0.0, 0.5, 400.0
    )
    return replace(base, verdict=None, rejected="undecodable") if verdict == "rejected" else base


def told(name: str, links: Evidence | None = None) -> Explanation:
    return EXPLANATION.model_copy(
        update={
            "frame": FrameRef(
                frame_id=name, camera_id="cam-1", category="nut", sequence=0, captured_at=NOON
            ),
            "evidence": links or Evidence(),
            "counterpart": CounterpartCheck(
                status="convincing", score_before=9, score_after=1.5, normal_limit=2
            ),
        }
    )


def material(*frames: tuple[str, str | None, str, float]) -> Material:
    """(name, truth, verdict, score) of each frame; everything is grey, with a dent on top."""
    book = {name: sent(name, truth) for name, truth, _, _ in frames}
    outcomes = [seen(name, verdict, score) for name, _, verdict, score in frames]
    mask = np.zeros((32, 32), bool)
    mask[:8, :8] = True
    rescored = Rescored(
        images=dict.fromkeys(book, GREY),
        maps=dict.fromkeys(book, mask.astype(np.float32)),
        masks={name: mask if frame.defective else ~mask & mask for name, frame in book.items()},
    )
    return Material(tally(book.values(), outcomes), book, {}, rescored, 0.5)


FRAMES = (
    ("a", "dent", "defect", 5.0),
    ("b", "dent", "defect", 9.0),
    ("c", "good", "defect", 3.0),
    ("d", "dent", "pass", 1.0),
    ("e", "good", "near_miss", 1.9),
    ("f", "good", "pass", 0.5),
    ("g", "good", "rejected", 0.0),
    ("h", None, "defect", 4.0),
)


def test_frames_are_grouped_by_verdict_and_truth_worst_first() -> None:
    parts = material(*FRAMES)

    groups = group(parts.books, parts.sent)

    names = {kind: [o.frame_id for o in found] for kind, found in groups.items()}
    assert names == {
        "missed": ["d"],
        "false": ["c"],
        "found": ["b", "a", "h"],
        "passed": ["e", "f"],
    }


@pytest.mark.parametrize(
    ("name", "right"), [("a", True), ("c", False), ("d", False), ("f", True), ("h", None)]
)
def test_a_card_says_whether_the_verdict_was_right(name: str, right: bool | None) -> None:
    parts = material(*FRAMES)

    assert make_card(parts, parts.books.outcomes[name]).right is right


def test_a_missed_defect_shows_the_truth() -> None:
    card = sections(material(*FRAMES))[0].cards[0]

    assert card.camera == "d.png"
    assert set(card.pictures) == {"frame", "heatmap", "truth"}
    assert card.pictures["truth"] != card.pictures["frame"]


def test_pictures_come_from_the_evidence_of_the_explanation(tmp_path: Path) -> None:
    file = tmp_path / "a picture.png"
    file.write_bytes(encode_png(GREY))
    links = Evidence(frame=file.as_uri(), heatmap=(tmp_path / "gone").as_uri(), outline="s3://b/x")

    assert evidence(told("a", links)) == {"frame": file.read_bytes()}


def test_a_card_tells_how_its_counterpart_fared() -> None:
    parts = replace(material(*FRAMES), explained={"a": told("a")})

    note = make_card(parts, parts.books.outcomes["a"]).note

    assert note == (
        "Counterpart convincing: to a network that did not guide it, its distance from normal is "
        "1.5 instead of 9; good images reach 2."
    )


def test_a_section_is_bounded_and_counts_the_rest() -> None:
    many = [(f"f{number:02}", "dent", "defect", float(number)) for number in range(30)]

    found = sections(material(*many))[2]

    assert (len(found.cards), found.left_out) == (24, 6)
    assert found.cards[0].score == 29


def test_a_panel_is_written_for_everything_worth_a_look(tmp_path: Path) -> None:
    write_panels(material(*FRAMES), tmp_path)

    verdicts = sorted(file.name.split("-cam")[0] for file in tmp_path.iterdir())
    assert verdicts == ["false-alarm", "found", "found", "missed"]


def test_a_panel_has_the_shape_of_the_frame_as_captured(tmp_path: Path) -> None:
    parts = material(("d", "dent", "pass", 1.0))
    parts.rescored.sizes["d"] = (300, 100)

    write_panels(parts, tmp_path)

    with Pillow.open(next(tmp_path.iterdir())) as panel:
        assert panel.width > 3 * 3 * 256  # three pictures, three times as wide as high


def test_names_of_kinds_cannot_leave_the_folder(tmp_path: Path) -> None:
    write_panels(material(("a", "../../etc", "defect", 5.0)), tmp_path)

    assert [file.name for file in tmp_path.iterdir()] == ["found-cam-1-000000-______etc.png"]
