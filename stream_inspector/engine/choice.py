"""What scores a model on one kind of machine, and why: what `measure` finds, and a worker uses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Choice:
    """An engine, its precision and its batches, and why it is the one."""

    name: str
    reason: str
    eight_bits: bool = False  # of the frozen network
    # Size of a run -> milliseconds; batches are cut into such. Empty: any size.
    batch_ms: Mapping[int, float] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """For logs and people."""
        return f"{self.name}, 8 bits" if self.eight_bits else self.name

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        sizes = {str(size): round(ms, 3) for size, ms in self.batch_ms.items()}
        return {
            "engine": self.name,
            "eight_bits": self.eight_bits,
            "batch_ms": sizes,
            "reason": self.reason,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`. Raises KeyError, TypeError, ValueError, AttributeError."""
        sizes = {int(size): float(ms) for size, ms in plain["batch_ms"].items()}
        if any(size < 1 or not ms > 0 for size, ms in sizes.items()) or (sizes and 1 not in sizes):
            raise ValueError(f"batch_ms: {plain['batch_ms']}")
        return cls(str(plain["engine"]), str(plain["reason"]), bool(plain["eight_bits"]), sizes)
