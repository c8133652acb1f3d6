"""Tensors of a model version <-> the parts that compute with them.

Shared names: network.* (the scoring U-Net), pixel.* (the counterparts' U-Net, where it is another
one), backbone.* (the features' network, unless a package has it), noise.<t>, sigma_data (pixels).
Under each "<category>/": whitening.*, mixture.*, nearby.*,
 normalise.<raw map>.*, views.<member>.*, guide.limit, examiner.*, counterpart.usual.
Weights and statistics travel in half precision; everything computes in single precision.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stream_inspector.diffusion.denoiser import Denoiser, Network
from stream_inspector.diffusion.schedule import Schedule, linear_schedule, respace
from stream_inspector.diffusion.unet import UNet
from stream_inspector.errors import ModelCorrupt
from stream_inspector.features import FeatureNet, load_feature_net
from stream_inspector.image.view.canvas import View
from stream_inspector.packaged import is_packaged
from stream_inspector.presets import CHAIN, PER_IMAGE, Diffusion, Preset
from stream_inspector.score.distance import Distance
from stream_inspector.score.ensemble import Ensemble
from stream_inspector.score.mahalanobis import Gaussians, pack_triangles, unpack_triangles
from stream_inspector.score.memory import Memory
from stream_inspector.score.mixture import Mixture
from stream_inspector.score.names import members, raw_names
from stream_inspector.score.normalise import Normaliser, PerImage
from stream_inspector.score.scorer import Scorer, Statistics
from stream_inspector.score.whitening import Whitening

Tensors = Mapping[str, Tensor]
Arrays = Mapping[str, NDArray[Any] | Tensor]  # a model version's, or already PyTorch's
_BACKBONE = "backbone."
_NORMALISER = ("mean", "deviation", "overall")


def score_schedule(diffusion: Diffusion) -> Schedule:
    """The chain on which a diffusion's score steps count (RAN section B: one of 250 steps)."""
    return respace(linear_schedule(CHAIN), diffusion.score_chain)


def bind(
    diffusion: Diffusion, network: Network, sigma_data: float, schedule: Schedule | None = None
) -> Denoiser:
    """The denoiser of a diffusion; whitened features have unit variance and no bounds."""
    pixels = diffusion.channels == 3
    return Denoiser(
        network,
        schedule or linear_schedule(CHAIN),
        diffusion.parameterisation,
        sigma_data if pixels else 1.0,
        1.0 if pixels else None,
    )


def pack_network(prefix: str, network: nn.Module) -> dict[str, Tensor]:
    """A network's weights as half-precision tensors."""
    return {f"{prefix}.{name}": value.half() for name, value in network.state_dict().items()}


def unpack_network(prefix: str, diffusion: Diffusion, tensors: Arrays) -> UNet:
    """The network in evaluation mode. Raises ModelCorrupt when tensors do not fit the preset."""
    with torch.device("meta"):  # no memory and no random numbers for weights that are replaced
        network = UNet(diffusion.network, diffusion.channels)
    start = f"{prefix}."
    state = {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
    try:
        network.load_state_dict({k: as_tensor(v).float() for k, v in state.items()}, assign=True)
    except RuntimeError as error:
        raise ModelCorrupt(f"the weights {prefix}.* do not fit the preset: {error}") from error
    return network.requires_grad_(requires_grad=False).eval()


def pack_backbone(weights: Tensors) -> dict[str, Tensor]:
    """The weights of a network that no package has, exactly as they are used."""
    kept = {name: v.float() if v.is_floating_point() else v for name, v in weights.items()}
    return {f"{_BACKBONE}{name}": value for name, value in kept.items()}


def unpack_features(preset: Preset, tensors: Arrays) -> FeatureNet:
    """The frozen network that a preset looks with. Raises ModelCorrupt, ModelUnsupported."""
    if is_packaged(preset.backbone):
        return load_feature_net(preset.grid, preset.backbone)
    named = {k.removeprefix(_BACKBONE): v for k, v in tensors.items() if k.startswith(_BACKBONE)}
    own = {name: as_tensor(v) for name, v in named.items()}
    return load_feature_net(preset.grid, preset.backbone, own or None)


def of_category(category: str, packed: Tensors) -> dict[str, Tensor]:
    """A category's statistics under the names that tell them from another category's."""
    return {f"{category}/{name}": value for name, value in packed.items()}


def for_category(category: str, tensors: Arrays) -> dict[str, Any]:
    """The inverse of `of_category`: one category's statistics by their own names."""
    start = f"{category}/"
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}


def pack_shared(noise: Mapping[int, Tensor], sigma_data: float) -> dict[str, Tensor]:
    """What the networks compute with, beside their weights."""
    return {
        "sigma_data": torch.tensor(sigma_data),
        **{f"noise.{step}": values.half() for step, values in noise.items()},
    }


def pack_statistics(statistics: Statistics) -> dict[str, Tensor]:
    """What training measured of a category, apart from the normalisation."""
    packed = {
        "whitening.mean": statistics.whitening.mean.float(),
        "whitening.matrix": statistics.whitening.matrix.float(),
        **_pack_gaussians("mixture", statistics.mixture),
    }
    if statistics.mixture.seen is not None:
        packed["mixture.seen"] = statistics.mixture.seen
    if statistics.nearby is not None:
        packed["nearby.bank"] = statistics.nearby.bank.half()
    return packed


def unpack_statistics(preset: Preset, tensors: Arrays) -> Statistics:
    """The inverse of `pack_statistics`; tensors of one category."""
    seen = None if preset.mixture.place is None else _get(tensors, "mixture.seen")
    return Statistics(
        Whitening(_get(tensors, "whitening.mean"), _get(tensors, "whitening.matrix")),
        Mixture(*_unpack_gaussians("mixture", tensors), seen),
        Memory(_get(tensors, "nearby.bank").float()) if preset.nearby else None,
    )


def pack_distances(guide: Distance, examiner: Distance) -> dict[str, Tensor]:
    """What guides counterparts, beside the mixture that scores, and what examines them."""
    return {
        "guide.limit": torch.tensor(guide.limit, dtype=torch.float64),
        "examiner.limit": torch.tensor(examiner.limit, dtype=torch.float64),
        **_pack_gaussians("examiner", examiner.gaussians),
    }


def pack_usual_change(usual: float) -> dict[str, Tensor]:
    """How much the pixel network changes what is good."""
    return {"counterpart.usual": torch.tensor(usual)}


def unpack_usual_change(tensors: Arrays) -> float:
    """The inverse of `pack_usual_change`; tensors of one category."""
    return float(_get(tensors, "counterpart.usual"))


def unpack_guide(net: FeatureNet, view: View, tensors: Arrays) -> Distance:
    """The distance that counterparts may descend; tensors of one category."""
    mixture = Mixture(*_unpack_gaussians("mixture", tensors))
    return Distance(net, mixture, view, float(_get(tensors, "guide.limit")))


def unpack_examiner(net: FeatureNet, view: View, tensors: Arrays) -> Distance:
    """The distance that no counterpart has descended; tensors of one category."""
    gaussians = Gaussians(*_unpack_gaussians("examiner", tensors))
    return Distance(net, gaussians, view, float(_get(tensors, "examiner.limit")))


def unpack_scorer(
    preset: Preset, categories: Sequence[str], tensors: Arrays, network: Network
) -> Scorer:
    """The members, computing with the given runner of the scoring network."""
    return Scorer(
        preset,
        bind(
            preset.scoring,
            network,
            float(_get(tensors, "sigma_data")),
            score_schedule(preset.scoring),
        ),
        [unpack_statistics(preset, for_category(name, tensors)) for name in categories],
        {
            step: _get(tensors, f"noise.{step}").float()
            for step in preset.scoring.score_steps
            if preset.scoring.sampled
        },
    )


def pack_ensemble(ensemble: Ensemble) -> dict[str, Tensor]:
    """Normalisation of the raw maps, and the weighing of the views."""
    packed = {
        f"normalise.{name}.{part}": getattr(normaliser, part).float()
        for name, normaliser in ensemble.normalisers.items()
        if isinstance(normaliser, Normaliser)
        for part in _NORMALISER
    }
    for member in members(ensemble.preset):
        packed[f"views.{member}.centre"] = ensemble.centre[member].double()
        packed[f"views.{member}.spread"] = ensemble.spread[member].float()
    return packed


def unpack_ensemble(preset: Preset, view: View, tensors: Arrays) -> Ensemble:
    """The inverse of `pack_ensemble`; tensors of one category."""
    return Ensemble(
        preset,
        view,
        _unpack_normalisers(preset, view, tensors),
        {member: _get(tensors, f"views.{member}.centre") for member in members(preset)},
        {member: _get(tensors, f"views.{member}.spread") for member in members(preset)},
    )


def _unpack_normalisers(
    preset: Preset, view: View, tensors: Arrays
) -> Mapping[str, Normaliser | PerImage]:
    if preset.normalisation == PER_IMAGE:
        return dict.fromkeys(raw_names(preset), PerImage(view))
    return {
        name: Normaliser(*(_get(tensors, f"normalise.{name}.{part}") for part in _NORMALISER))
        for name in raw_names(preset)
    }


def _pack_gaussians(prefix: str, gaussians: Gaussians | Mixture) -> dict[str, Tensor]:
    return {
        f"{prefix}.scale": gaussians.scale.float(),
        f"{prefix}.mean": gaussians.mean.half(),
        f"{prefix}.factor": pack_triangles(gaussians.factor).half(),
    }


def _unpack_gaussians(prefix: str, tensors: Arrays) -> tuple[Tensor, Tensor, Tensor]:
    return (
        _get(tensors, f"{prefix}.scale"),
        _get(tensors, f"{prefix}.mean").float(),
        unpack_triangles(_get(tensors, f"{prefix}.factor").float()),
    )


def _get(tensors: Arrays, name: str) -> Tensor:
    if name not in tensors:
        raise ModelCorrupt(f"the model lacks the tensor {name}")
    return as_tensor(tensors[name])


def to_tensors(arrays: Arrays, device: torch.device) -> dict[str, Tensor]:
    """All of a model version's on a device."""
    return {name: as_tensor(each).to(device) for name, each in arrays.items()}


def as_tensor(array: NDArray[Any] | Tensor) -> Tensor:
    """A model version's array for PyTorch, which wants memory that it may write to."""
    if isinstance(array, Tensor):
        return array
    return torch.from_numpy(array if array.flags.writeable else np.array(array))
