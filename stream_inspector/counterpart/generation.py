"""What the pixel network takes for normal: new pictures of good parts, by reverse diffusion.

Nothing is judged by them. They show at a glance whether a network has learned its product.
"""

import torch

from stream_inspector.diffusion.sample import ddim, sample
from stream_inspector.diffusion.schedule import linear_schedule, respace, respaced_step
from stream_inspector.errors import ModelUnsupported
from stream_inspector.features import to_images
from stream_inspector.model.assembly import bind, unpack_network
from stream_inspector.model.version import Model
from stream_inspector.presets import CHAIN
from stream_inspector.verdict import Image

SAMPLERS = ("ancestral", "ddim")


def sample_images(
    model: Model,
    category: str | None = None,
    *,
    count: int = 8,
    steps: int = 250,
    sampler: str = "ancestral",
    seed: int = 0,
    device: str = "cpu",
) -> list[Image]:
    """Pictures [h, w, 3] at preset.pixel.size, from noise down a chain respaced to `steps`.

    The chain starts at the highest noise that the network was trained on: for presets trained on
    part of it that is not pure noise, and the pictures are blurred accordingly. Raises
    UnknownCategory, and ValueError for an unknown sampler or impossible steps.
    """
    if sampler not in SAMPLERS:
        raise ValueError(f"sampler {sampler!r} is none of {', '.join(SAMPLERS)}")
    if model.provisional:
        raise ModelUnsupported(f"model {model.version} is provisional: it has no network")
    pixel, label = model.preset.pixel, model.categories.index(model.category(category))
    schedule = respace(linear_schedule(CHAIN), steps)
    network = unpack_network(model.preset.pixel_prefix, pixel, model.tensors).to(device)
    denoiser = bind(pixel, network, float(model.tensors["sigma_data"]), schedule)
    if pixel.network.classes:
        denoiser = denoiser.given(torch.full((count,), label))
    start = respaced_step(schedule, pixel.plan.steps[1])
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn((count, pixel.channels, *pixel.size), generator=generator).to(device)
    with torch.inference_mode():
        if sampler == "ddim":
            return to_images(ddim(denoiser, noise, start).cpu())
        return to_images(sample(denoiser, noise, start, generator).cpu())
