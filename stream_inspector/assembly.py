"""Tensors of a model version <-> the parts that compute with them.

Names: network.* (the scoring U-Net), pixel.* (the counterparts' U-Net, where it is another one),
whitening.*, gaussians.*, noise.<t>, normalise.<member>.*, sigma_data (of the pixel space).
Weights and statistics travel in half precision; everything computes in single precision.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from stream_inspector.diffusion.denoiser import Denoiser, Network
from stream_inspector.diffusion.schedule import linear_schedule
from stream_inspector.diffusion.unet import UNet
from stream_inspector.errors import ModelCorrupt
from stream_inspector.presets import Diffusion, Preset
from stream_inspector.score.mahalanobis import Gaussians, pack_triangles, unpack_triangles
from stream_inspector.score.normalise import Normaliser
from stream_inspector.score.scorer import Scorer
from stream_inspector.score.whitening import Whitening

Tensors = Mapping[str, Tensor]


def bind(diffusion: Diffusion, network: Network, sigma_data: float) -> Denoiser:
    """The denoiser of a diffusion; whitened features have unit variance and no bounds."""
    pixels = diffusion.channels == 3
    return Denoiser(
        network,
        linear_schedule(),
        diffusion.parameterisation,
        sigma_data if pixels else 1.0,
        1.0 if pixels else None,
    )


def pack_network(prefix: str, network: nn.Module) -> dict[str, Tensor]:
    """A network's weights as half-precision tensors."""
    return {f"{prefix}.{name}": value.half() for name, value in network.state_dict().items()}


def unpack_network(prefix: str, diffusion: Diffusion, tensors: Tensors) -> UNet:
    """The network in evaluation mode. Raises ModelCorrupt when tensors do not fit the preset."""
    with torch.device("meta"):  # no memory and no random numbers for weights that are replaced
        network = UNet(diffusion.network, diffusion.channels)
    start = f"{prefix}."
    state = {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
    try:
        network.load_state_dict({k: v.float() for k, v in state.items()}, assign=True)
    except RuntimeError as error:
        raise ModelCorrupt(f"the weights {prefix}.* do not fit the preset: {error}") from error
    return network.requires_grad_(requires_grad=False).eval()


def pixel_prefix(preset: Preset) -> str:
    """Where the pixel network's weights are: it is the scoring network unless features score."""
    return "network" if preset.feature is None else "pixel"


def pack_statistics(
    whitening: Whitening, gaussians: Gaussians, noise: Mapping[int, Tensor], sigma_data: float
) -> dict[str, Tensor]:
    """What training measured, apart from the normalisation."""
    return {
        "whitening.mean": whitening.mean.float(),
        "whitening.matrix": whitening.matrix.float(),
        "gaussians.scale": gaussians.scale.float(),
        "gaussians.mean": gaussians.mean.half(),
        "gaussians.factor": pack_triangles(gaussians.factor).half(),
        "sigma_data": torch.tensor(sigma_data),
        **{f"noise.{step}": values.half() for step, values in noise.items()},
    }


def unpack_scorer(preset: Preset, tensors: Tensors, network: Network) -> Scorer:
    """The members, computing with the given runner of the scoring network."""
    factor = unpack_triangles(_get(tensors, "gaussians.factor").float())
    return Scorer(
        preset,
        bind(preset.scoring, network, float(_get(tensors, "sigma_data"))),
        Whitening(_get(tensors, "whitening.mean"), _get(tensors, "whitening.matrix")),
        Gaussians(
            _get(tensors, "gaussians.scale"), _get(tensors, "gaussians.mean").float(), factor
        ),
        {step: _get(tensors, f"noise.{step}").float() for step in preset.scoring.score_steps},
    )


def pack_normalisers(normalisers: Mapping[str, Normaliser]) -> dict[str, Tensor]:
    """Each member's normalisation."""
    return {
        f"normalise.{member}.{part}": getattr(normaliser, part).float()
        for member, normaliser in normalisers.items()
        for part in ("mean", "deviation", "overall")
    }


def unpack_normalisers(tensors: Tensors) -> dict[str, Normaliser]:
    """Each member's normalisation; members are named by the tensors."""
    ending = ".overall"
    members = [
        name.removeprefix("normalise.").removesuffix(ending)
        for name in tensors
        if name.startswith("normalise.") and name.endswith(ending)
    ]
    return {
        member: Normaliser(
            *(
                _get(tensors, f"normalise.{member}.{part}")
                for part in ("mean", "deviation", "overall")
            )
        )
        for member in members
    }


def _get(tensors: Tensors, name: str) -> Tensor:
    if name not in tensors:
        raise ModelCorrupt(f"the model lacks the tensor {name}")
    return tensors[name]
