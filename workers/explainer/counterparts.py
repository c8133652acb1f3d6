"""Normal counterparts within a budget of time each."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from schemas.defect import CounterpartCheck
from schemas.excerpt import excerpt
from stream_inspector.verdict import Image, Verdict
from workers.runtime.detectors.loaded import Counterpart, LoadedModel


class _OverBudget(Exception):
    """A counterpart takes too long."""


@dataclass(frozen=True, slots=True)
class Made:
    """A counterpart, or why there is none. `skipped`: it was asked for."""

    check: CounterpartCheck
    picture: Image | None = None
    skipped: str | None = None


def counterpart(
    model: LoadedModel,
    image: Image,
    verdict: Verdict,
    category: str,
    *,
    budget_s: float,
    clock: Callable[[], float] = time.monotonic,
) -> Made:
    """One verdict's counterpart. Rounds end when the budget is spent."""
    if model.explain is None:
        return without("disabled")
    deadline = clock() + budget_s

    def on_round(*_: object) -> None:
        if clock() > deadline:
            raise _OverBudget

    try:
        found = model.explain([image], [verdict], [category], on_round=on_round)[0]
    except _OverBudget:
        return left_out(f"budget: it took longer than {budget_s:g} s (setting explainer.budget_s)")
    except Exception as error:  # the verdict is certain; its counterpart is a courtesy
        return left_out(excerpt(f"failed: {type(error).__name__}: {error}"))
    return Made(_check(found), found.image)


def without(reason: str) -> Made:
    """None was asked for."""
    return Made(CounterpartCheck(status="skipped", reason=reason))


def left_out(reason: str) -> Made:
    """One was asked for, and is not made."""
    return Made(CounterpartCheck(status="skipped", reason=reason), skipped=reason)


def _check(found: Counterpart) -> CounterpartCheck:
    return CounterpartCheck(
        status="convincing" if found.convincing else "not-convincing",
        examiner=found.examiner,
        score_before=found.score_before,
        score_after=found.score_after,
        normal_limit=found.normal_limit,
    )
