"""The pictures of one test image: input, truth, the members' maps, counterpart and its steps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stream_inspector.counterpart.variants import Counterpart
from stream_inspector.image.pictures import heat_range, heatmap
from stream_inspector.threshold.pro import binarise_mask
from stream_inspector.verdict import Image
from workers.offline.evaluate.report.examples import Outcome
from workers.offline.evaluate.report.material import Material
from workers.offline.report.page import Album, Picture

MAPS = {"kl": "KL map", "features": "Feature map", "ensemble": "Final map"}
_INPUT = "Input"
_TRUTH_COLOUR = (64, 200, 120)


@dataclass(frozen=True, slots=True)
class Card:
    """One test image on the page."""

    title: str
    outcome: Outcome
    score: float
    threshold: float
    pictures: Sequence[Picture]
    steps: Sequence[Picture]  # of the counterpart, between the image and the end
    shape: tuple[int, int]  # (width, height) of what is inspected, in pixels as captured
    note: str = ""


def make_card(material: Material, index: int, album: Album) -> Card:
    """Draw one test image."""
    file = material.test.files[index]
    drawn = _drawn(material, index)
    return Card(
        title=f"{file.kind}/{file.path.name}",
        outcome=material.judged.outcome(index),
        score=float(material.judged.scores[index]),
        threshold=material.judged.threshold,
        pictures=[
            album.add(caption, image, file.path if caption == _INPUT else None)
            for caption, image in drawn
        ],
        steps=[
            album.add(f"step {number}", step)
            for number, step in enumerate(material.steps.get(index, ()), 1)
        ],
        shape=material.shapes[index],
        note=_note(material.counterparts.get(index)),
    )


def _drawn(material: Material, index: int) -> list[tuple[str, Image]]:
    image = material.test.images[index]
    maps = [
        (MAPS[name], heatmap(image, maps[index], *heat_range(material.middle[name])))
        for name, maps in material.maps.items()
    ]
    found = material.counterparts.get(index)
    counterpart = [("Counterpart", found.image)] if found else []
    truth = _truth(image, material.test.truth.masks[index])
    return [(_INPUT, image), *truth, *maps, *counterpart]


def _truth(image: Image, mask: NDArray[np.bool_] | None) -> list[tuple[str, Image]]:
    """The defect tinted and ringed: an outline alone would hide a thin scratch."""
    if mask is None or not mask.any():
        return []
    inside = binarise_mask(mask, (image.shape[0], image.shape[1]))
    ring = ndimage.binary_dilation(inside, iterations=2) & ~inside
    drawn = image.copy()
    drawn[inside] = (image[inside] + np.array(_TRUTH_COLOUR)) // 2
    drawn[ring] = _TRUTH_COLOUR
    return [("Truth", drawn)]


def _note(found: Counterpart | None) -> str:
    if found is None:
        return ""
    judged = "convincing" if found.convincing else "not convincing"
    return (
        f"Counterpart {judged}: a network that did not guide it scores it {found.score_after:.3g} "
        f"instead of {found.score_before:.3g}."
    )
