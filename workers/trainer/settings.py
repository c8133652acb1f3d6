"""What training, calibration and evaluation can be told."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from workers.runtime.categories import CategoriesSection
from workers.runtime.settings import LogSettings, ProcessSettings, Section

if TYPE_CHECKING:
    from stream_inspector.threshold.budget import Budget


class TrainerSettings(Section):
    """How a model is made and judged."""

    preset: str = Field(
        default="feature-fast",
        description="feature-fast: real images; pixel-small: the paper's pixel diffusion, small",
    )
    normalisation: Literal["good-images", "per-image"] = Field(
        default="good-images",
        description="of maps; per-image: the released code's, by each map's own pixels",
    )
    seed: int = Field(default=0, ge=0, description="of weights, noise and crops")
    iterations: int | None = Field(default=None, ge=1, description="empty: the preset's own")
    device: str = Field(default="cpu", description="cpu, cuda or cuda:0")
    engine: Literal["auto", "torch", "onnxruntime", "openvino"] = Field(
        default="auto", description="auto: the faster of those whose scores agree"
    )
    engine_cache: Path | None = Field(
        default=None,
        description="folder for exported graphs and the choice of engine; "
        "default: $XDG_CACHE_HOME/stream-inspector",
    )
    threads: int | None = Field(default=None, ge=1, description="empty: all cores")
    layout: Literal["auto", "mvtec", "btad", "visa", "plain"] = Field(
        default="auto", description="of the data folder; auto: by its sub-folders"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto",
        description="of training; auto: on an accelerator the faster in a timed step, else fp32",
    )
    recompute: bool = Field(
        default=False, description="train in less memory and a third more time; the same result"
    )
    checkpoint_every: int = Field(
        default=100, ge=0, description="steps after which training could go on; 0: never"
    )
    on_corrupt: Literal["fail", "skip"] = Field(
        default="fail", description="skip: go on without unreadable images, and name them"
    )


class BudgetSettings(Section):
    """False alarms that are acceptable; thresholds follow from them and from good images."""

    image_false_reject: float = Field(default=0.05, gt=0, lt=1, description="share of good images")
    pixel_false_positive: float = Field(default=1e-3, gt=0, lt=1, description="share of pixels")
    confidence: float = Field(default=0.95, gt=0, lt=1)

    def as_budget(self) -> "Budget":
        """The core's budget."""
        from stream_inspector.threshold.budget import Budget

        return Budget(self.image_false_reject, self.pixel_false_positive, self.confidence)


class ModelStoreSettings(Section):
    """Where model versions are kept."""

    store: str = Field(default="models", description="a folder, or a URL such as s3://bucket/x")


class TrainerProcessSettings(ProcessSettings):
    """Everything the offline commands can be told."""

    log: LogSettings = LogSettings(level="warning")  # these commands talk to people
    trainer: TrainerSettings = TrainerSettings()
    budget: BudgetSettings = BudgetSettings()
    categories: CategoriesSection = CategoriesSection()
    models: ModelStoreSettings = ModelStoreSettings()
