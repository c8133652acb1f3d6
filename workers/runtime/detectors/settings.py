"""Where models come from, and what runs them: the section `models`."""

from typing import Literal

from pydantic import Field

from workers.runtime.settings.base import Section


class DeviceSection(Section):
    """Where models come from, and what runs them."""

    store: str = Field(default="models", description="artefact store: a folder or an fsspec URL")
    memory_mb: int | None = Field(
        default=None,
        ge=1,
        description="loaded models take at most so much of the device; default: half of its "
        "memory, on a processor half of the machine's or the container's",
    )
    device: str = Field(default="cpu", description="cpu, cuda or cuda:1")
    engine: Literal["auto", "torch", "onnxruntime", "openvino"] = Field(
        default="auto", description="auto: onnxruntime on a processor, torch elsewhere"
    )
    precision: Literal["fp32", "bf16"] = Field(
        default="fp32",
        description="of the diffusion network in PyTorch. bf16: for accelerators; KL and all that "
        "is compared stay fp32; a version whose self-test image scores otherwise is refused",
    )
    cuda_graphs: bool = Field(
        default=False,
        description="the diffusion network in PyTorch as CUDA graphs, one for each of a few batch "
        "sizes: fewer launches, and some memory for each",
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        description="device threads; default: one for each processor of the container",
    )


class ModelsSection(DeviceSection):
    """Where models come from, which are kept, and what runs them."""

    refresh_s: float = Field(default=5.0, gt=0, description="how often to look for an activation")
    require_redis: bool = Field(
        default=True, description="false: start without Redis and read the artefact store"
    )
    patience_s: float = Field(
        default=2.0,
        ge=0,
        description="with more models than memory: frames wait so long for a model to fall idle, "
        "then the one used longest ago leaves for theirs",
    )
    null_detector_ms: float | None = Field(
        default=None,
        ge=0,
        description="benchmarks: no model, every frame passes after so many ms per batch",
    )
