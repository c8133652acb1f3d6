"""What becomes of a defect that is explained, and of one that cannot be."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from schemas.explanation import ExplanationState
from schemas.outcome import Verdict
from workers.runtime.bus.ports import Outgoing, Partition
from workers.runtime.errors import StoreUnavailable

DEFECTS = Partition("defects", 0)


def value(stage: Any, name: str, **labels: str) -> float:
    return stage.metrics.registry.get_sample_value(f"explainer_{name}", labels) or 0.0


def test_a_defect_gets_its_pictures_by_the_version_that_judged(stage: Any) -> None:
    frame, at = stage.frame()
    event = stage.defect(frame, at)
    (told,) = stage.explained(1)
    assert told.state is ExplanationState.EXPLAINED
    assert (told.outcome_id, told.frame, told.record) == (event.outcome_id, event.frame, at)
    assert (told.model_version, told.verdict) == ("v1", "defect")
    assert told.verdict_record == "defects/0/0"
    assert told.counterpart.status == "convincing"
    links = told.evidence
    assert links.notes == {}
    assert all((links.frame, links.heatmap, links.outline, links.counterpart))
    name = urlsplit(links.frame or "").path.lstrip("/")
    assert any(found.endswith(name) or name.endswith(found) for found in stage.evidence.names(""))
    assert stage.broker.committed("explainers")[DEFECTS] == 1


def test_verdicts_of_a_version_go_on_the_device_together(stage: Any) -> None:
    for sequence in range(4):
        stage.defect(*stage.frame(sequence))
    assert len(stage.explained(4)) == 4
    assert max(stage.device.batches) > 1
    assert sum(stage.device.batches) == 4


def test_a_frame_that_retention_took_is_expired_and_never_silent(stage: Any) -> None:
    stage.defect(*stage.frame(0))
    stage.defect(*stage.frame(1))
    stage.broker.expire(Partition("frames", 0), 1)
    gone, there = stage.explained(2)
    assert gone.state is ExplanationState.EXPIRED
    assert gone.reason is not None and "frames 0:0 is gone" in gone.reason
    assert gone.evidence.frame is None and "evidence" in gone.evidence.notes
    assert there.state is ExplanationState.EXPLAINED
    assert value(stage, "explanations_total", state="expired") == 1


def test_another_frame_at_that_place_is_not_shown_for_it(stage: Any) -> None:
    frame, at = stage.frame(0)
    stage.frame(1, grey=10)
    stage.defect(frame, at.model_copy(update={"offset": 1}))
    (told,) = stage.explained(1)
    assert told.state is ExplanationState.EXPIRED
    assert told.reason is not None and "another frame" in told.reason


def test_a_topic_that_no_setting_names_is_not_read(stage: Any) -> None:
    frame, at = stage.frame(0)
    stage.defect(frame, at.model_copy(update={"topic": "secrets"}))
    (told,) = stage.explained(1)
    assert told.state is ExplanationState.SKIPPED
    assert told.reason is not None and "not on topics.frames" in told.reason


def test_a_counterpart_over_its_budget_is_skipped_and_the_maps_are_there(stage: Any) -> None:
    stage.device.before_round = lambda: time.sleep(0.05)
    stage.defect(*stage.frame(0))
    (told,) = stage.explained(1, **{"explainer.budget_s": 0.01})
    assert told.state is ExplanationState.SKIPPED
    assert told.reason is not None and "explainer.budget_s" in told.reason
    assert told.counterpart.status == "skipped"
    assert told.evidence.heatmap and told.evidence.outline and not told.evidence.counterpart
    assert "counterpart" in told.evidence.notes
    assert stage.device.explained == 0


def test_old_verdicts_of_a_backlog_get_no_counterpart(stage: Any) -> None:
    old = datetime.now(UTC) - timedelta(hours=2)
    stage.defect(*stage.frame(0), decided_at=old)
    (told,) = stage.explained(1)
    assert told.state is ExplanationState.SKIPPED
    assert told.reason is not None and "explainer.max_age_s" in told.reason
    assert told.evidence.heatmap


def test_without_counterparts_all_that_is_asked_for_is_there(stage: Any) -> None:
    stage.defect(*stage.frame(0))
    (told,) = stage.explained(1, **{"explainer.counterparts": False})
    assert told.state is ExplanationState.EXPLAINED
    assert told.counterpart.reason == "disabled"


@pytest.mark.parametrize("asked", [False, True])
def test_near_misses_are_explained_if_asked(stage: Any, asked: bool) -> None:
    stage.near_miss(*stage.frame(0), Verdict.NEAR_MISS)
    stage.near_miss(*stage.frame(1), Verdict.PASS)
    stage.defect(*stage.frame(2))
    told = stage.explained(1 + asked, **{"explainer.near_misses": asked})
    verdicts = sorted(each.verdict for each in told)
    assert verdicts == (["defect", "near_miss"] if asked else ["defect"])


def test_a_version_that_the_store_lost_is_said(stage: Any) -> None:
    stage.defect(*stage.frame(0), model_version="gone")
    stage.defect(*stage.frame(1))
    first, second = sorted(stage.explained(2), key=lambda each: each.frame.sequence)
    assert first.state is ExplanationState.SKIPPED
    assert first.reason is not None and "no version gone" in first.reason
    assert first.evidence.frame and "heatmap" in first.evidence.notes
    assert second.state is ExplanationState.EXPLAINED


def test_a_counterpart_that_fails_costs_itself(stage: Any) -> None:
    def broken() -> None:
        raise RuntimeError("no kernel")

    stage.device.before_round = broken
    stage.defect(*stage.frame(0))
    (told,) = stage.explained(1)
    assert told.state is ExplanationState.SKIPPED
    assert told.reason == "failed: RuntimeError: no kernel"
    assert told.evidence.outline


def test_a_verdict_that_ends_its_process_is_tried_alone_and_then_skipped(stage: Any) -> None:
    event = stage.defect(*stage.frame(0))
    stage.defect(*stage.frame(1))
    for _ in range(3):
        stage.store.increment("attempts:explainers:defects/0/0")
    deadly, other = sorted(stage.explained(2), key=lambda each: each.frame.sequence)
    assert deadly.outcome_id == event.outcome_id
    assert deadly.state is ExplanationState.SKIPPED
    assert deadly.reason is not None and "explainer.attempts" in deadly.reason
    assert other.state is ExplanationState.EXPLAINED
    assert stage.store.get("attempts:explainers:defects/0/0") is None


def test_a_record_that_is_no_verdict_is_passed_over(stage: Any) -> None:
    frame, at = stage.frame(0)
    event = stage.defect(frame, at)
    broken = event.encode()
    stage.broker.append(Outgoing("defects", type(broken)(broken.key, b"{", broken.headers), 0))
    stage.defect(*stage.frame(1))
    assert len(stage.explained(2)) == 2
    assert stage.broker.committed("explainers")[DEFECTS] == 3
    assert value(stage, "unreadable_verdicts_total") == 1


def test_a_model_store_that_is_away_is_waited_for(
    stage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.explainer.explaining._AGAIN_S", 0.02)
    read, away = stage.registry.fetch, [True]

    def fetch(version: str) -> Any:
        if away[0]:
            raise StoreUnavailable("the store is away")
        return read(version)

    monkeypatch.setattr(stage.registry, "fetch", fetch)
    stage.defect(*stage.frame(0))
    with stage.running() as explainer:
        stage.until(lambda: "away" in (explainer.vitals.ready() or ""))
        assert stage.explanations() == []
        away[0] = False
        stage.until(lambda: len(stage.explanations()) == 1)
    assert stage.explanations()[0].state is ExplanationState.EXPLAINED


def test_a_stop_leaves_what_is_not_begun_to_the_next(stage: Any) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        go_on.wait(30)

    stage.device.before_round = wait
    for sequence in range(3):
        stage.defect(*stage.frame(sequence))
    with stage.running():
        assert begun.wait(30)
        threading.Timer(0.3, go_on.set).start()
    done = len(stage.explanations())
    assert 1 <= done < 3
    assert stage.broker.committed("explainers")[DEFECTS] == done
    stage.device.before_round = lambda: None
    assert len({each.outcome_id for each in stage.explained(3)}) == 3
    assert len(stage.explanations()) == 3


def test_a_store_that_fails_costs_the_pictures_not_the_explanation(stage: Any) -> None:
    stage.evidence.available = False
    stage.defect(*stage.frame(0))
    (told,) = stage.explained(1)
    assert told.evidence.frame is None
    assert "StoreUnavailable" in told.evidence.notes["frame"]
    assert value(stage, "evidence_failures_total") == 4


def test_pictures_are_named_by_their_content(stage: Any) -> None:
    frame, at = stage.frame(0)
    stage.defect(frame, at)
    stage.defect(frame, at)  # delivered again
    first, again = stage.explained(2)
    assert first.evidence == again.evidence
    assert first.outcome_id == again.outcome_id
    assert len(stage.evidence.names("")) == 4


def test_a_stop_does_not_wait_for_a_model_that_is_loaded(
    stage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    read = stage.registry.fetch

    def fetch(version: str) -> Any:
        begun.set()
        go_on.wait(30)
        return read(version)

    monkeypatch.setattr(stage.registry, "fetch", fetch)
    stage.defect(*stage.frame(0))
    with stage.running():
        assert begun.wait(30)
        asked = time.monotonic()
    assert time.monotonic() - asked < 10  # of the 20 s that a verdict in work may take
    go_on.set()
    assert stage.broker.committed("explainers").get(DEFECTS, 0) == 0
