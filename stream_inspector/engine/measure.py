"""What scores a model fastest on this machine, measured: engines, precisions, sizes of runs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from stream_inspector.engine import eight_bits
from stream_inspector.engine.choice import Choice
from stream_inspector.engine.choose import AUTO, choose, why_no_graph
from stream_inspector.engine.graph_scorer import GraphScorer
from stream_inspector.engine.runs import MOST, plan
from stream_inspector.engine.sessions import installed
from stream_inspector.errors import SelfTestFailed
from stream_inspector.model.version import Model
from stream_inspector.synthetic.overlay import PAINTED
from stream_inspector.threshold.judge import judge
from stream_inspector.verdict import Grade, Image

SIZES = (1, 2, 4, MOST)
_RUNS = 2  # the fastest counts: everything else is somebody else's work
_WORTH = 0.95  # of the time that the plain choice takes: less is chance

Clock = Callable[[], float]  # seconds


@dataclass(frozen=True, slots=True)
class Tried:
    """One way of scoring: how long runs take, or why it may not be used."""

    choice: Choice
    refused: str = ""

    @property
    def ms(self) -> float:
        """An image, of batches of all sizes from one to the largest."""
        costs = self.choice.batch_ms
        batches = range(1, max(costs) + 1)
        return sum(sum(costs[run] for run in plan(n, costs)) / n for n in batches) / len(batches)


@dataclass(frozen=True, slots=True)
class Measured:
    """All that was tried, and what is best."""

    choice: Choice
    tried: Sequence[Tried] = field(default_factory=tuple)


def measure(model: Model, threads: int, clock: Clock) -> Measured:
    """Try every engine that is here in every precision that may be used. For processors.

    The plain choice stays unless something takes 5 % less. Raises EngineMissing, ModelCorrupt.
    """
    if why_no_graph(model) or not installed():
        return Measured(choose(model, AUTO, "cpu"))
    images = _images(model)
    tried = tuple(_try(model, each, images, threads, clock) for each in _candidates())
    usable = [each for each in tried if not each.refused]
    plain, fastest = usable[0], min(usable, key=lambda each: each.ms)
    if fastest.ms > _WORTH * plain.ms:
        fastest = plain
    why = f"{fastest.ms:.1f} ms an image here"
    others = [f"{o.choice.label} {o.refused or f'{o.ms:.1f} ms'}" for o in tried if o != fastest]
    reason = "; ".join([why, *others])
    chosen = fastest.choice
    return Measured(Choice(chosen.name, reason, chosen.eight_bits, chosen.batch_ms), tried)


def _candidates() -> Iterator[Choice]:
    """The plain choice first."""
    for coarse in (False, True):
        for name in installed():
            yield Choice(name, "", coarse)


def _try(
    model: Model, choice: Choice, images: Sequence[Image], threads: int, clock: Clock
) -> Tried:
    refused = eight_bits.refusal(model) if choice.eight_bits else None
    if refused:
        return Tried(choice, f"refused: {refused}")
    scorer = GraphScorer(model, choice, threads)
    refused = _differs(model, scorer, threads) if choice.eight_bits else None
    if refused:
        return Tried(choice, f"refused: {refused} on this machine")
    sizes = {size: _ms(scorer, images[:size], clock) for size in SIZES}
    return Tried(Choice(choice.name, "", choice.eight_bits, sizes))


def _differs(model: Model, scorer: GraphScorer, threads: int) -> str | None:
    """What an engine says that was not calibrated."""
    for label, name in enumerate(model.categories):
        scores = scorer.score([model.self_test_image(name)], [label])
        try:
            model.self_tests[name].check(float(scores.image_scores[0]))
        except SelfTestFailed as error:
            return str(error)
    turned = _turned(model, scorer, threads)
    return f"{turned} verdicts are others" if turned else None


def _ms(scorer: GraphScorer, images: Sequence[Image], clock: Clock) -> float:
    """Of a run, whose shape the engine has met before."""
    labels = [0] * len(images)
    scorer.score(images, labels)
    took = []
    for _ in range(_RUNS):
        start = clock()
        scorer.score(images, labels)
        took.append(1000 * (clock() - start))
    return max(min(took), 1e-3)


def _images(model: Model) -> list[Image]:
    """As many as the largest run takes."""
    name = model.categories[0]
    if name in model.self_tests:
        return [model.self_test_image(name)] * MOST
    return [np.full((*model.view(name).canvas, 3), 128, np.uint8)] * MOST


def _turned(model: Model, scorer: GraphScorer, threads: int) -> int:
    """How many verdicts on self-test images, and on the same with defects, are others."""
    plain, count = GraphScorer(model, choose(model, AUTO, "cpu"), threads), 0
    for label, name in enumerate(model.categories):
        good = [model.self_test_image(name)] * len(PAINTED)
        images = [good[0], *eight_bits.painted(good)]
        labels = [label] * len(images)
        one, other = (_grades(model, name, each, images, labels) for each in (plain, scorer))
        count += sum(a is not b for a, b in zip(one, other, strict=True))
    return count


def _grades(
    model: Model, name: str, scorer: GraphScorer, images: Sequence[Image], labels: Sequence[int]
) -> list[Grade]:
    scores, view = scorer.score(images, labels), model.view(name)
    place = view.place(view.canvas[::-1])
    return [
        judge(scores.maps[i], float(each), {}, model.calibrations[name], place).grade
        for i, each in enumerate(scores.image_scores)
    ]
