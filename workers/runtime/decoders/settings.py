"""What a picture may cost, wherever one is decoded: worker, collect and the offline commands."""

from typing import TYPE_CHECKING, Any

from pydantic import Field

from workers.runtime.settings.base import Section

if TYPE_CHECKING:
    from workers.runtime.decoders.picture import Rules


class ImagesSection(Section):
    """Limits of one picture; its encoded bytes have `kafka.max_frame_bytes`."""

    max_pixels: int = Field(default=50_000_000, ge=1, description="largest image that is decoded")
    max_side: int = Field(default=65_535, ge=1, description="its longest side, in pixels")
    max_scans: int = Field(default=64, ge=1, description="of a JPEG; encoders write about 10")
    decode_mb: int = Field(
        default=512, ge=16, description="memory that decoding one picture may take"
    )
    decode_timeout_s: float = Field(
        default=5.0,
        gt=0,
        description="processor time that decoding one picture may take; by the clock, on a busy "
        "machine, four times as long",
    )
    accept_damaged: bool = Field(
        default=False, description="true: take what is left of a picture that lost data"
    )

    @staticmethod
    def flags(rules: "Rules") -> dict[str, Any]:
        """The settings of another process that is to decode by these rules."""
        limits = rules.limits
        return {
            "images.max_pixels": limits.max_pixels,
            "images.max_side": limits.max_side,
            "images.max_scans": limits.max_scans,
            "images.decode_mb": limits.max_memory // 2**20,
            "images.decode_timeout_s": rules.cpu_s,
            "images.accept_damaged": limits.accept_damaged,
        }

    def rules(self, max_bytes: int) -> "Rules":
        """For pictures of at most `max_bytes`."""
        from stream_inspector.image.formats.limits import DecodeLimits
        from workers.runtime.decoders.picture import Rules

        limits = DecodeLimits(
            max_bytes,
            self.max_pixels,
            self.max_side,
            self.max_scans,
            self.decode_mb * 2**20,
            self.accept_damaged,
        )
        return Rules(limits, self.decode_timeout_s)
