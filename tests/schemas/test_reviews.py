"""The last word on a part, and what a word says of it."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from pydantic import ValidationError

from schemas.documents import samples
from schemas.outcome import Outcome, Verdict
from schemas.review import Judgement, Part, Review, last_words

AT = datetime(2026, 3, 14, 10, tzinfo=UTC)


def outcome(verdict: Verdict) -> Outcome:
    return samples.OUTCOME.model_copy(update={"verdict": verdict})


def say(judgement: Judgement, minutes: int = 0, of: Outcome = samples.OUTCOME) -> Review:
    return Review.of(of, judgement, by="ada", at=AT + timedelta(minutes=minutes))


def test_the_last_word_counts_in_whatever_order_words_come() -> None:
    words = [say(Judgement.RIGHT), say(Judgement.FALSE_ALARM, 5), say(Judgement.UNSURE, 2)]
    for order in permutations([*words, words[0]]):
        (last,) = last_words(order).values()
        assert last.judgement is Judgement.FALSE_ALARM


def test_words_of_the_same_moment_have_one_order_for_everybody() -> None:
    words = [say(Judgement.RIGHT), say(Judgement.FALSE_ALARM)]
    assert last_words(words) == last_words(reversed(words))


def test_frames_that_bear_one_id_are_judged_apart() -> None:
    frame = samples.OUTCOME.frame
    assert frame is not None
    other = frame.model_copy(update={"sequence": frame.sequence + 1})
    twin = samples.OUTCOME.model_copy(update={"frame": other})
    assert len(last_words([say(Judgement.RIGHT), say(Judgement.RIGHT, 1, twin)])) == 2


def test_a_delivery_again_has_the_same_id() -> None:
    assert say(Judgement.RIGHT).event_id == say(Judgement.RIGHT).event_id
    assert say(Judgement.RIGHT).event_id != say(Judgement.RIGHT, 1).event_id


@pytest.mark.parametrize(
    ("of", "judgement", "part"),
    [
        (outcome(Verdict.DEFECT), Judgement.RIGHT, Part.DEFECTIVE),
        (outcome(Verdict.DEFECT), Judgement.FALSE_ALARM, Part.GOOD),
        (outcome(Verdict.PASS), Judgement.RIGHT, Part.GOOD),
        (outcome(Verdict.NEAR_MISS), Judgement.RIGHT, Part.GOOD),
        (outcome(Verdict.PASS), Judgement.MISSED, Part.DEFECTIVE),
        (outcome(Verdict.PASS), Judgement.UNSURE, None),
        (samples.REJECTED, Judgement.MISSED, Part.DEFECTIVE),
        (samples.REJECTED, Judgement.RIGHT, None),  # nobody inspected it: says nothing of the part
    ],
)
def test_what_a_word_says_of_the_part(of: Outcome, judgement: Judgement, part: Part | None) -> None:
    assert say(judgement, of=of).part is part


@pytest.mark.parametrize(
    ("verdict", "judgement"),
    [(Verdict.PASS, Judgement.FALSE_ALARM), (Verdict.DEFECT, Judgement.MISSED)],
)
def test_a_word_that_does_not_fit_what_was_shown_is_refused(
    verdict: Verdict, judgement: Judgement
) -> None:
    with pytest.raises(ValidationError, match=r"false alarm|not missed"):
        say(judgement, of=outcome(verdict))


def test_a_note_is_bounded() -> None:
    with pytest.raises(ValidationError, match="1000"):
        Review.of(samples.OUTCOME, Judgement.RIGHT, by="ada", at=AT, note="x" * 1001)
