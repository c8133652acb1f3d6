"""Versions on trial: what they said, compared with the active one."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console

from schemas.outcome import Outcome, Verdict
from schemas.review import Part, Review, Subject, last_words, subject_of
from stream_inspector.threshold.production.versions import (
    Advice,
    Both,
    Compared,
    advise,
    compare_pairs,
    compare_shares,
)
from workers.runtime.bus.passed_over import PassedOver
from workers.runtime.bus.ports import Record
from workers.runtime.host.terminal import text
from workers.runtime.listing import Column, Form, Listing
from workers.runtime.registry.registry import Activation
from workers.runtime.registry.trial import Mode, Trial
from workers.runtime.settings.process import TopicSettings

ReadTopic = Callable[[str, datetime], Iterable[Record]]  # what the broker has had since then

_COLUMNS = (
    *(Column("version"), Column("frames", right=True)),
    *(Column("alarms", right=True, pattern=".2%"), Column("low", right=True, pattern=".2%")),
    Column("high", right=True, pattern=".2%"),
)


@dataclass(slots=True)
class Heard:
    """What versions said since a trial began, from the topics."""

    topics: TopicSettings
    read: ReadTopic
    passed: PassedOver

    def compare(self, category: str, last: Activation, trial: Trial, confidence: float) -> Compared:
        """The version on trial beside the active one."""
        since = datetime.fromisoformat(last.at)
        if trial.mode is Mode.SHADOW:
            return compare_pairs(self._pairs(category, last.version, trial, since), confidence)
        counts = {last.version: [0, 0], trial.version: [0, 0]}
        seen = set[Subject]()
        for outcome in self._outcomes(self.topics.outcomes, category, since):
            subject = _subject(outcome)
            count = counts.get(outcome.model_version or "")
            if count is None or subject in seen or not _on_cameras(trial, outcome):
                continue
            seen.add(subject)
            count[0] += _alarms(outcome)
            count[1] += 1
        old, new = (counts[version] for version in (last.version, trial.version))
        return compare_shares((old[0], old[1]), (new[0], new[1]), confidence)

    def _pairs(self, category: str, version: str, trial: Trial, since: datetime) -> Iterator[Both]:
        """Frames that both scored: the shadow's are fewer, so those are kept in memory."""
        new = {
            _subject(each): _alarms(each)
            for each in self._outcomes(self.topics.shadows, category, since)
            if each.model_version == trial.version
        }
        reviews = self._reviews(since)
        for outcome in self._outcomes(self.topics.outcomes, category, since):
            subject = _subject(outcome)
            if outcome.model_version != version or subject not in new:
                continue
            review = reviews.get(subject)
            part = review.part if review else None
            yield Both(
                _alarms(outcome), new.pop(subject), None if part is None else part is Part.GOOD
            )

    def _outcomes(self, topic: str, category: str, since: datetime) -> Iterator[Outcome]:
        for record in self.read(topic, since):
            found = self.passed.read(record, lambda each: Outcome.decode(each.headers, each.value))
            if found and found.verdict and found.frame and found.frame.category == category:
                yield found

    def _reviews(self, since: datetime) -> dict[Subject, Review]:
        read = (
            self.passed.read(record, lambda each: Review.decode(each.headers, each.value))
            for record in self.read(self.topics.reviews, since)
        )
        return last_words(review for review in read if review)


def tell(
    last: Activation, trial: Trial, compared: Compared, console: Console, form: Form
) -> Advice | None:
    """Print a comparison; what the guard says, where there is one."""
    listing = Listing(console, *_COLUMNS, form=form, title=str(trial))
    rows = (
        (last.version, compared.old_frames, compared.old_alarms),
        (trial.version, compared.new_frames, compared.new_alarms),
    )
    for version, frames, share in rows:
        values = (share.value, share.low, share.high) if share else (None, None, None)
        listing.add(version, frames, *values)
    listing.close()
    guard = trial.most_alarms
    advice = None if guard is None else advise(compared, guard, trial.least_frames)
    if form is Form.TABLE:
        for line in _lines(compared, trial, advice):
            console.print(text(line), soft_wrap=True)
    return advice


def _lines(compared: Compared, trial: Trial, advice: Advice | None) -> Iterator[str]:
    if compared.only_new is not None:
        yield (
            f"only {trial.version} alarms on {compared.only_new} frames, only the active one on "
            f"{compared.only_old}"
        )
        yield (
            f"of these people judged: good {compared.good_only_new} and {compared.good_only_old}, "
            f"defective {compared.bad_only_new} and {compared.bad_only_old}"
        )
    if compared.more is not None:
        more = compared.more
        yield (
            f"it alarms on {more.value:+.2%} of the frames ({more.low:+.2%} to {more.high:+.2%}), "
            f"by chance with p = {1.0 if compared.chance is None else compared.chance:.2g}"
        )
    if advice is not None:
        yield (
            f"guard, at most {trial.most_alarms:+.2%} from {trial.least_frames} frames on: "
            f"{advice.value}"
        )


def _on_cameras(trial: Trial, outcome: Outcome) -> bool:
    """Of a canary on some cameras the active version's frames count there, where share is part."""
    if not trial.cameras or trial.share >= 1:
        return True
    everything = Trial(trial.version, trial.mode, 1.0, trial.cameras)
    return outcome.frame is not None and everything.takes(outcome.frame.camera_id, "")


def _subject(outcome: Outcome) -> Subject:
    return subject_of(outcome.outcome_id, outcome.frame, outcome.record)


def _alarms(outcome: Outcome) -> bool:
    return outcome.verdict is Verdict.DEFECT
