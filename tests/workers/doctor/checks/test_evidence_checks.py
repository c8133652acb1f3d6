"""Whether pictures live as long as their events, somebody collects, and the disk has the room."""

import os
import time
from pathlib import Path

import pytest

from workers.doctor.checks.store import check_evidence_room, judge_evidence_life
from workers.runtime.evidence.settings import EvidenceSection, KeepSection
from workers.runtime.store.files import FolderBlobs

DAY = 86_400


def test_pictures_that_outlive_their_events_are_well() -> None:
    (finding,) = judge_evidence_life(KeepSection(), 24 * 30)
    assert (finding.status, finding.says) == ("ok", "defects 90 days, their events 30")
    (finding,) = judge_evidence_life(KeepSection(), None)
    assert finding.status == "ok"


@pytest.mark.parametrize(
    ("keep", "setting"),
    [
        ({"defect": {"days": 20}}, "evidence.keep.defect.days"),
        (
            {"categories": {"bottle": {"defect": {"days": 20}}}},
            "evidence.keep.categories.bottle.defect.days",
        ),
    ],
)
def test_pictures_that_go_before_their_events_are_told(
    keep: dict[str, object], setting: str
) -> None:
    (finding,) = judge_evidence_life(KeepSection.model_validate(keep), 24 * 30)
    assert (finding.status, finding.setting) == ("warning", setting)
    assert "20 days" in finding.says
    assert setting in (finding.do or "")


def test_a_store_that_nobody_collects_is_told_and_a_new_one_is_not(tmp_path: Path) -> None:
    section = EvidenceSection(url=str(tmp_path), keep=KeepSection(max_gb=1e-6))
    blobs = FolderBlobs(tmp_path)
    assert check_evidence_room(blobs, section)[0].status == "ok"
    blobs.write("cases/ab/x.json", b"{}")
    assert check_evidence_room(blobs, section)[0].status == "ok"
    old = time.time() - 5 * DAY
    os.utime(tmp_path / "cases/ab/x.json", (old, old))
    (finding,) = check_evidence_room(blobs, section)
    assert (finding.status, "for 5 days" in finding.says) == ("warning", True)
    blobs.write("gc/clock", b"")
    assert check_evidence_room(blobs, section)[0].status == "ok"


def test_a_bound_above_the_disk_is_told(tmp_path: Path) -> None:
    section = EvidenceSection(url=str(tmp_path), keep=KeepSection(max_gb=10**9))
    (finding,) = check_evidence_room(FolderBlobs(tmp_path), section)
    assert finding.setting == "evidence.keep.max_gb"
