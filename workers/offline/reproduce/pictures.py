"""What the paper's figures show, of one category: 4 reconstructions, 6 maps, 7 the way there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from stream_inspector.baselines.draem import Draem
from stream_inspector.baselines.method import Fitted
from stream_inspector.counterpart.variants import COUNTERPARTS, Array, OnRound
from stream_inspector.detector import Detector
from stream_inspector.features import to_images
from stream_inspector.image.planes import from_planes
from stream_inspector.verdict import Image, Verdict
from workers.offline.reproduce.drawing import Panels, heat, tinted
from workers.offline.scoring.labelled import LabelledImages
from workers.offline.scoring.maps import Scored

STEPS = 6  # pictures of the way
_LOW, _HIGH = 0.5, 0.999  # quantiles of all maps that colours span
OnMade = Callable[[int, int], None]


@dataclass(frozen=True)
class Shown:
    """A category's scored test images, and which of them the figures show."""

    detector: Detector
    category: str
    test: LabelledImages
    scored: Scored
    chosen: Sequence[int]

    def image(self, index: int) -> Image:
        """As the view shows it."""
        return self.test.images[index]

    def first(self, index: int) -> Panels:
        """The image and its truth."""
        mask = self.test.truth.masks[index]
        truth = [] if mask is None else [("ground truth", tinted(self.image(index), mask))]
        return [(self.test.files[index].kind, self.image(index)), *truth]


def chosen(test: LabelledImages, most: int) -> list[int]:
    """Of as many kinds of defect, the image with the largest one."""
    best: dict[str, tuple[int, int]] = {}
    for index, (file, mask) in enumerate(zip(test.files, test.truth.masks, strict=True)):
        if file.defective and mask is not None and mask.any():
            size = int(mask.sum())
            if file.kind not in best or size > best[file.kind][0]:
                best[file.kind] = size, index
    return [index for _, index in list(best.values())[:most]]


def localisation(shown: Shown) -> list[Panels]:
    """Figure 6: the maps of the members and of all together."""
    limits = {name: _limits(maps) for name, maps in shown.scored.maps.items()}
    return [
        [
            *shown.first(index),
            *(
                (name, heat(shown.image(index), maps[index], limits[name]))
                for name, maps in shown.scored.maps.items()
                if name != "control"
            ),
        ]
        for index in shown.chosen
    ]


def reconstructions(
    shown: Shown, fitted: Mapping[str, Fitted], on_made: OnMade = lambda *_: None
) -> list[Panels]:
    """Figure 4: what other methods and variants make of a defect."""
    rows = list[Panels]()
    for number, index in enumerate(shown.chosen):
        ours = [(name, _counterpart(shown, index, name)) for name in COUNTERPARTS]
        others = _by_others(shown.image(index), fitted)
        rows.append([*shown.first(index), *others, *ours])
        on_made(number + 1, len(shown.chosen))
    return rows


def steps(shown: Shown, variant: str = "paper") -> list[Panels]:
    """Figure 7: some rounds of gradient denoising, the last one among them."""
    rows = list[Panels]()
    for index in shown.chosen:
        rounds = list[Image]()

        def keep(_: int, x: Array, rounds: list[Image] = rounds) -> None:
            rounds.extend(from_planes(x[:1]))

        made = _counterpart(shown, index, variant, keep)
        spread = np.linspace(0, len(rounds) - 1, STEPS) if rounds else np.zeros(0)
        places = sorted({int(place) for place in spread})
        way = [(f"round {place + 1}", rounds[place]) for place in places]
        rows.append([*shown.first(index), *way, ("counterpart", made)])
    return rows


def _by_others(image: Image, fitted: Mapping[str, Fitted]) -> Panels:
    """Of the methods that rebuild an image."""
    seen = torch.from_numpy(image.copy()).permute(2, 0, 1)[None]
    with torch.inference_mode():
        return [
            (name, to_images(each.rebuilt(seen))[0])
            for name, each in fitted.items()
            if isinstance(each, Draem)
        ]


def _counterpart(shown: Shown, index: int, variant: str, on_round: OnRound | None = None) -> Image:
    images, named = [shown.image(index)], [shown.category]
    verdicts: list[Verdict] = shown.detector.inspect(images, [shown.test.sizes[index]], named)
    settings = COUNTERPARTS[variant]
    (made,) = shown.detector.explain(images, verdicts, named, settings=settings, on_round=on_round)
    return made.image


def _limits(maps: np.ndarray) -> tuple[float, float]:
    seen = maps[np.isfinite(maps)]
    low, high = np.quantile(seen[:: max(1, len(seen) // 1_000_000)], (_LOW, _HIGH))
    return float(low), float(high)
