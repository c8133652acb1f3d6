"""What the plan is computed from: times and sizes that somebody measured, or gave."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self, TypeVar

from pydantic import Field, ValidationError, field_validator

from workers.runtime.errors import SettingsError
from workers.runtime.json_text import parse
from workers.runtime.settings.process import Section

Seconds = Annotated[float, Field(gt=0)]
_Measured = TypeVar("_Measured")
SHIPPED = Path(__file__).with_name("constants.json")


class Constants(Section):
    """Of one kind of machine. `make bench ARGS="--json FILE"` measures them."""

    machine: str = Field(description="where they were measured")
    cores: int = Field(ge=1, description="of one worker; the detector's times hold for them")
    batch_ms: dict[str, dict[int, float]] = Field(
        description="preset -> images of a batch -> milliseconds of the device"
    )
    decode_ms_megapixel: dict[str, float] = Field(description="png, jpeg -> CPU-milliseconds")
    shell_ms: float = Field(gt=0, description="CPU-milliseconds a frame beside decoding")
    shell_ms_megabyte: float = Field(default=4.0, ge=0, description="more for each megabyte of it")
    publish_ms: float = Field(default=30.0, ge=0, description="of a publication with its position")
    explain_s: dict[str, Seconds] | Seconds = Field(
        default=3.0, description="of the device for one counterpart; by preset where they differ"
    )
    picture_kb: float = Field(default=150.0, gt=0, description="of a picture of the evidence")
    event_kb: float = Field(default=1.5, gt=0, description="of an outcome on the topic")
    takeover_s: float = Field(
        default=10.0, ge=0, description="until a killed worker's partitions are read again"
    )
    move_s: float = Field(default=3.0, ge=0, description="that a partition rests while it moves")

    @field_validator("batch_ms")
    @classmethod
    def _rising(cls, given: dict[str, dict[int, float]]) -> dict[str, dict[int, float]]:
        for preset, times in given.items():
            if not times or min(times) < 1 or min(times.values()) < 0:
                raise ValueError(f"{preset}: batches of 1 or more images, with their milliseconds")
        return given

    @classmethod
    def read(cls, file: Path | None) -> Self:
        """From a file; without one those that ship. Raises SettingsError."""
        file = file or SHIPPED
        try:
            return cls.model_validate(parse(file.read_bytes()))
        except (OSError, ValueError, ValidationError) as error:
            raise SettingsError(
                f"{file}: no constants of a machine: {error}; "
                'make bench ARGS="--json FILE" writes them'
            ) from None

    def device_ms(self, preset: str, images: float) -> float:
        """Of a batch: a straight line through what was measured (least squares).

        Raises SettingsError for a preset that nobody measured.
        """
        times = _of(self.batch_ms, preset)
        mean_n = sum(times) / len(times)
        mean_ms = sum(times.values()) / len(times)
        spread = sum((n - mean_n) ** 2 for n in times)
        if not spread:  # one size: each image its share
            return mean_ms * images / mean_n
        slope = sum((n - mean_n) * (ms - mean_ms) for n, ms in times.items()) / spread
        return max(0.0, mean_ms + slope * (images - mean_n))

    def counterpart_s(self, preset: str) -> float:
        """Of the device. Raises SettingsError for a preset that nobody measured."""
        if isinstance(self.explain_s, dict):
            return _of(self.explain_s, preset)
        return self.explain_s


def _of(measured: Mapping[str, _Measured], preset: str) -> _Measured:
    if preset not in measured:
        known = ", ".join(measured)
        raise SettingsError(f"preset {preset}: not among the constants, which have {known}")
    return measured[preset]
