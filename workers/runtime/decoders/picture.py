"""An encoded picture and what may be spent on it."""

from dataclasses import dataclass, field

from stream_inspector.image.decode import Decoded, decode
from stream_inspector.image.formats.limits import DecodeLimits
from stream_inspector.image.view.canvas import View


@dataclass(frozen=True, slots=True)
class Rules:
    """What decoding a picture may cost."""

    limits: DecodeLimits = field(default_factory=DecodeLimits)
    cpu_s: float = 5.0  # of processor time


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture, and how it is wanted."""

    data: bytes
    content_type: str
    view: View
    width: int | None = None  # raw pixels only
    height: int | None = None

    def decoded(self, limits: DecodeLimits) -> Decoded:
        """Decoded in this process, however long it takes. Raises FrameRejected."""
        size = self.width, self.height
        return decode(self.data, self.content_type, self.view, limits, *size)
