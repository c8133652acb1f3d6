"""How far a training is, for whoever shows it: without torch, which takes seconds to import."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is; `loss` and `learning_rate` only while a network trains."""

    stage: str
    step: int
    total: int
    loss: float | None = None
    learning_rate: float | None = None


OnProgress = Callable[[Progress], None]
