"""The pictures of a run: cards for the report, and one captioned panel a frame in a folder."""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
from PIL import Image as Pillow

from schemas.explanation import Explanation
from stream_inspector.image.pictures import encode_png, outline, side_by_side
from stream_inspector.image.regions import find_regions
from stream_inspector.image.view.canvas import View
from stream_inspector.verdict import Image
from workers.demo.books.lines import Observed, SentFrame
from workers.demo.books.rescore import Rescored
from workers.demo.books.tally import Tally
from workers.demo.page.report import MOST_DEFECTS, MOST_OTHERS, Card, Section
from workers.offline.inspect.files import score_picture

MOST_PANELS = 400
_PANEL_HEIGHT = 256
_TRUTH_COLOUR = (64, 200, 120)


@dataclass(frozen=True, slots=True)
class Material:
    """What the pictures are made of."""

    books: Tally
    sent: Mapping[str, SentFrame]
    explained: Mapping[str, Explanation]  # by frame id
    rescored: Rescored
    pixel_threshold: float


def sections(material: Material) -> list[Section]:
    """Cards by kind of verdict, the instructive ones first."""
    groups = group(material.books, material.sent)
    inspected = ("frame", "heatmap", "outline", "counterpart")
    return [
        _section(material, groups["missed"], "Missed", _MISSED, ("frame", "heatmap", "truth")),
        _section(material, groups["false"], "False alarms", _FALSE, inspected),
        _section(material, groups["found"], "Defects", _FOUND, inspected, most=MOST_DEFECTS),
        _section(material, groups["passed"], "Passed", _PASSED, ("frame", "heatmap"), rest=""),
    ]


_MISSED = "Defective parts whose score stayed under the threshold. The green line is the truth."
_FALSE = "Good parts whose score exceeded the threshold; the budget allows some."
_FOUND = (
    "Raised as events on Kafka. The counterpart is what the model believes this very part would "
    "look like without its defect."
)
_PASSED = "Good parts that raised nothing; the closest to the threshold come first."


def group(books: Tally, sent: Mapping[str, SentFrame]) -> dict[str, list[Observed]]:
    """Inspected frames by verdict and truth, the largest scores first."""
    groups: dict[str, list[Observed]] = {"missed": [], "false": [], "found": [], "passed": []}
    for frame_id, outcome in books.outcomes.items():
        if outcome.rejected is not None:
            continue
        defective = sent[frame_id].defective
        if outcome.verdict == "defect":
            groups["false" if defective is False else "found"].append(outcome)
        else:
            groups["missed" if defective else "passed"].append(outcome)
    return {name: sorted(found, key=_score, reverse=True) for name, found in groups.items()}


def write_panels(material: Material, folder: Path) -> int:
    """One picture for each defect, false alarm and missed defect. Returns their number."""
    groups = group(material.books, material.sent)
    wanted = [*groups["missed"], *groups["false"], *groups["found"]][:MOST_PANELS]
    for outcome in wanted:
        card = make_card(material, outcome)
        names = [name for name in _ORDER if name in card.pictures]
        if names:
            shown = [(name, _pixels(card.pictures[name], card.size)) for name in names]
            panel = encode_png(side_by_side(shown, _PANEL_HEIGHT))
            (folder / f"{_file_name(material, outcome)}.png").write_bytes(panel)
    return len(wanted)


_ORDER = ("frame", "heatmap", "outline", "counterpart", "truth")


def make_card(material: Material, outcome: Observed) -> Card:
    """A frame's card: from its explanation where there is one, else from its rescored map."""
    frame = material.sent[outcome.frame_id or ""]
    told = material.explained.get(frame.frame_id)
    found = _score_pictures(material, frame) | (evidence(told) if told else {})
    return Card(
        title=f"{frame.camera_id} #{frame.sequence}",
        camera=Path(frame.path).name if frame.path else f"part {frame.index}",
        score=outcome.score or 0.0,
        threshold=outcome.threshold or 0.0,
        truth=frame.truth,
        right=None if frame.defective is None else frame.defective == (outcome.verdict == "defect"),
        pictures=found,
        note=_note(told, outcome),
        size=material.rescored.sizes.get(frame.frame_id, (1, 1)),
    )


def evidence(told: Explanation) -> dict[str, bytes]:
    """The pictures that an explanation links to, as far as they are files that can be read."""
    links = told.evidence
    named = (
        ("frame", links.frame),
        ("heatmap", links.heatmap),
        ("outline", links.outline),
        ("counterpart", links.counterpart),
    )
    paths = {name: _local(link) for name, link in named if link}
    return {name: path.read_bytes() for name, path in paths.items() if path and path.is_file()}


def _section(
    material: Material,
    outcomes: Sequence[Observed],
    heading: str,
    lede: str,
    captions: tuple[str, ...],
    *,
    most: int = MOST_OTHERS,
    rest: str = "pictures",
) -> Section:
    cards = [make_card(material, outcome) for outcome in outcomes[:most]]
    return Section(heading, lede, cards, max(0, len(outcomes) - most), captions, rest)


def _score_pictures(material: Material, frame: SentFrame) -> dict[str, bytes]:
    """Frame, heatmap and true outline from the rescored frame."""
    image = material.rescored.images.get(frame.frame_id)
    if image is None:
        return {}
    score_map = material.rescored.maps[frame.frame_id]
    drawn = {
        "frame": image,
        "heatmap": score_picture(image, score_map, material.pixel_threshold),
    }
    mask = material.rescored.masks[frame.frame_id]
    if mask is not None and mask.any():
        size = (image.shape[0], image.shape[1])
        regions = find_regions(mask.astype(np.float32), 0.5, 1, View(size).place(size[::-1]))
        drawn["truth"] = outline(image, regions, colour=_TRUTH_COLOUR)
    return {name: encode_png(picture) for name, picture in drawn.items()}


def _note(told: Explanation | None, outcome: Observed) -> str:
    if told is None:
        return _UNEXPLAINED.get(outcome.verdict or "", "")
    check = told.counterpart
    if check.status == "skipped":
        return f"No counterpart: {check.reason or 'skipped'}."
    if check.score_before is None or check.score_after is None or check.normal_limit is None:
        return ""
    judged = "convincing" if check.status == "convincing" else "not convincing"
    return (
        f"Counterpart {judged}: to a network that did not guide it, its distance from normal is "
        f"{check.score_after:.3g} instead of {check.score_before:.3g}; "
        f"good images reach {check.normal_limit:.3g}."
    )


_UNEXPLAINED = {
    "near_miss": "A near miss.",
    "defect": "No counterpart: its explanation did not come in time.",
}


def _local(link: str) -> Path | None:
    parts = urlsplit(link)
    return Path(unquote(parts.path)) if parts.scheme in ("", "file") else None


def _pixels(data: bytes, shape: tuple[int, int]) -> Image:
    """A picture in the shape of the captured frame: maps come squeezed to the detector's input."""
    width = max(1, round(_PANEL_HEIGHT * shape[0] / shape[1]))
    with Pillow.open(io.BytesIO(data), formats=("PNG", "JPEG", "BMP", "TIFF")) as opened:
        return np.asarray(opened.convert("RGB").resize((width, _PANEL_HEIGHT)))


def _file_name(material: Material, outcome: Observed) -> str:
    frame = material.sent[outcome.frame_id or ""]
    verdict = "found" if outcome.verdict == "defect" else "missed"
    if frame.defective is False:
        verdict = "false-alarm"
    parts = (verdict, frame.camera_id, f"{frame.sequence:06}", frame.truth or "unknown")
    return "-".join(_safe(parts))


def _safe(parts: Iterable[str]) -> list[str]:
    return ["".join(c if c.isalnum() or c in "-_" else "_" for c in part)[:60] for part in parts]


def _score(outcome: Observed) -> float:
    return outcome.score or 0.0
