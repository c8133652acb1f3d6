"""What a line asks for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Demand:
    """Cameras, their frames, and how soon verdicts are wanted."""

    cameras: int
    rate: float  # frames a second of each
    kb: float  # of an encoded frame
    megapixels: float
    kind: str  # png or jpeg
    preset: str
    images: float  # of the preset's size that the detector sees for one frame
    latency_ms: float  # from capture to outcome, 95 %
    batch_max: int = 8
    batch_age_ms: float = 10.0
    accelerator: bool = False
    pinned: bool = False  # cameras have partitions of their own choice
    load: float = 0.7  # share of its capacity that a worker is given
    spare: int = 1  # workers that may fail at a time
    defects: float = 0.01  # share of frames
    replicas: int = 3
    readers: int = 1  # of the frames: workers; gate, collector
    frame_hours: float = 24.0
    event_hours: float = 720.0
    evidence_days: float = 90.0

    @property
    def frames_a_second(self) -> float:
        """Of all cameras."""
        return self.cameras * self.rate
