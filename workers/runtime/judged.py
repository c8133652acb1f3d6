"""Reviews -> what they say of a category's parts, for whoever shows or measures it."""

from collections import defaultdict
from collections.abc import Iterable

from schemas.outcome import Verdict
from schemas.review import Part, Review, Sample, last_words
from stream_inspector.threshold.production.audit import Judged, Rates, rates


def judged(review: Review) -> Judged | None:
    """What a review says of an inspected part; None where it does not tell."""
    if review.part is None or review.shown.verdict is None:
        return None
    return Judged(
        good=review.part is Part.GOOD,
        alarmed=review.shown.verdict is Verdict.DEFECT,
        audit=review.sample is Sample.AUDIT,
    )


def rates_by_category(reviews: Iterable[Review], confidence: float) -> dict[str, Rates]:
    """False alarms and escapes of each category, by the last words on its parts."""
    found: dict[str, list[Judged]] = defaultdict(list)
    for review in last_words(reviews).values():
        said = judged(review)
        if said is not None:
            found[review.frame.category].append(said)
    return {category: rates(found[category], confidence) for category in sorted(found)}
