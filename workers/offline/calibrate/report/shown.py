"""What the page of a calibration is drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass

from stream_inspector.image.view.canvas import View
from stream_inspector.threshold.budget import Calibration
from stream_inspector.threshold.defects import DefectCheck, Labelled
from stream_inspector.threshold.trade_off import Settled, TradeOff
from workers.offline.calibrate.held_out import GoodScores, HeldOut
from workers.offline.calibrate.remedies import Remedy
from workers.offline.scoring.labelled import LabelledImages


@dataclass(frozen=True)
class Tested:
    """Images of known truth with their scores."""

    images: LabelledImages
    scored: Labelled


@dataclass(frozen=True)
class Painted:
    """Defects painted on good images, and what the thresholds do to them."""

    scored: Labelled
    check: DefectCheck


@dataclass(frozen=True)
class Shown:
    """Everything the page tells of."""

    category: str
    version: str
    calibration: Calibration
    held: HeldOut
    good: GoodScores
    view: View
    test: Tested | None = None
    painted: Painted | None = None
    settled: Settled | None = None  # where a share that may pass was stated
    remedies: Sequence[Remedy] = ()


def trade_off(made: Calibration, scored: Labelled) -> TradeOff:
    """The calibrating good images' scores against those of the defective ones."""
    bad = scored.image_scores[scored.defective]
    return TradeOff.of(made.image_scores, bad, made.budget.confidence)
