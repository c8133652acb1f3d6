"""What `stream-inspector collect` can be told."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from workers.runtime.decoders.settings import ImagesSection
from workers.runtime.names import Name
from workers.runtime.settings.operator import OperatorSettings
from workers.runtime.settings.process import LogSettings, Section
from workers.runtime.settings.shares import AsShare

# any: outcomes are not read; good: only what passed is taken; apart: the others lie apart
# reviewed: what people judged, where their word puts it
Sort = Literal["any", "good", "apart", "reviewed"]


class CollectSettings(Section):
    """Which frames are taken, and where they go."""

    out: Path = Field(
        default=Path("data"), description="holds <category>/train/good, as `train --data` wants it"
    )
    cameras: tuple[str, ...] = Field(default=(), description="only these; empty: all")
    categories: tuple[Name, ...] = Field(default=(), description="only these; empty: all")
    share: Annotated[float, AsShare] = Field(
        default=1.0, gt=0, le=1, description="of the frames, drawn by the hash of their id"
    )
    limit: int = Field(
        default=1000, ge=0, description="good images of a category in its folder; 0: no limit"
    )
    verdict: Sort = Field(default="any", description="any | good | apart | reviewed")
    follow: bool = Field(default=False, description="wait for more frames until the limit is met")
    wait_s: float = Field(
        default=10.0, ge=0, description="for the outcome of a frame; then it is left out"
    )
    hold_mb: int = Field(default=64, ge=1, description="memory for frames that wait for outcomes")
    outcomes: int = Field(
        default=500_000, ge=1, description="held in memory, about 140 bytes each; older ones go"
    )


class CollectorProcessSettings(OperatorSettings):
    """Everything `stream-inspector collect` can be told."""

    log: LogSettings = LogSettings(level="warning")  # this command talks to people
    collect: CollectSettings = CollectSettings()
    images: ImagesSection = ImagesSection()
