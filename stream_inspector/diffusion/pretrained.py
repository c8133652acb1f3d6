"""Weights of guided diffusion's U-Net, and of the paper's, for ours: every key is accounted for.

Three layouts are known: OpenAI's class-conditional and unconditional checkpoints, and those that
the paper's authors train from them, whose feature head is called feat_rec1 and reads the decoder a
block earlier than ours. The names of all other tensors are the same (diffusion/unet.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stream_inspector.diffusion.unet import UNet
from stream_inspector.errors import WeightsRefused
from stream_inspector.presets import Diffusion, NetworkShape

Tensors = Mapping[str, Tensor]
_MARK = "time_embed.0.weight"  # every U-Net of this kind has it, once
_LABELS, _BIAS = "label_emb.weight", "time_embed.2.bias"  # both are added to the embedding
_HEAD, _RELEASED_HEAD = "feature_head.", "feat_rec1."
_EARLIER = 1  # blocks between that which the released head reads and the last of its level
_TOLD = 3  # names in a message


@dataclass(frozen=True, slots=True)
class Adopted:
    """Weights for a network, and what became of every tensor of the file and of the network."""

    weights: Tensors
    feature_early: int  # of the network's shape: where the file's feature head reads
    taken: tuple[str, ...]  # names in the network
    left_out: tuple[str, ...]  # names in the file
    new: tuple[str, ...]  # names in the network: random

    def told(self) -> list[str]:
        """One line for each fate that something has."""
        fates = ("taken", self.taken), ("left out", self.left_out), ("new", self.new)
        return [f"{fate}: {_listed(names)}" for fate, names in fates if names]


def adopt(state: Tensors, diffusion: Diffusion, label: int | None = None) -> Adopted:
    """What of a checkpoint a diffusion's network begins with.

    Class labels: the first rows that there are classes. A network without labels leaves them out,
    or keeps the one of the row `label` as a constant. A feature head for other features is left
    out. Raises WeightsRefused when anything else is missing, odd or of another shape.
    """
    prefix = _prefix(state)
    ours = {_renamed(k.removeprefix(prefix)): k for k in state if k.startswith(prefix)}
    given = {name: state[key] for name, key in ours.items()}
    others = [name for name in state if not name.startswith(prefix)]
    wanted = _shapes(diffusion)
    same = (name for name in given if name in wanted and name != _LABELS)
    weights = {name: given[name].float() for name in same}
    weights |= _embedding(given, wanted, label)
    head = [name for name in wanted if name.startswith(_HEAD)]
    if any(name not in weights or weights[name].shape != wanted[name] for name in head):
        weights = {name: value for name, value in weights.items() if name not in head}
    _check(given, wanted, weights, diffusion.network)
    released = any(
        ours[name].startswith(prefix + _RELEASED_HEAD) for name in head if name in weights
    )
    folded = [] if label is None or _LABELS in wanted else [_LABELS]
    used = {*weights, *folded}
    return Adopted(
        weights,
        _EARLIER if released else 0,
        (*weights, *(f"row {label} of {name} in {_BIAS}" for name in folded)),
        (*(ours[name] for name in given if name not in used), *others),
        tuple(name for name in wanted if name not in weights),
    )


def _renamed(name: str) -> str:
    """A name of the authors' as ours."""
    return _HEAD + name.removeprefix(_RELEASED_HEAD) if name.startswith(_RELEASED_HEAD) else name


def _prefix(state: Tensors) -> str:
    """What stands before all names, as of a network wrapped for several devices."""
    found = [name.removesuffix(_MARK) for name in state if name.endswith(_MARK)]
    if len(found) != 1:
        what = f"{len(found)} networks ({', '.join(found)})" if found else "none"
        raise WeightsRefused(
            f"it should hold the weights of one U-Net of guided diffusion; it holds {what}. Its "
            f"tensors begin with {_listed(tuple(state)) or 'nothing'}"
        )
    return found[0]


def _shapes(diffusion: Diffusion) -> dict[str, torch.Size]:
    """Of every tensor of the network, by name."""
    with torch.device("meta"):
        network = UNet(diffusion.network, diffusion.channels)
    return {name: value.shape for name, value in network.state_dict().items()}


def _embedding(
    given: Tensors, wanted: Mapping[str, torch.Size], label: int | None
) -> dict[str, Tensor]:
    """What becomes of the class labels."""
    rows = given.get(_LABELS)
    if _LABELS in wanted:
        if rows is None or len(rows) < wanted[_LABELS][0]:
            return {}
        return {_LABELS: rows[: wanted[_LABELS][0]].float()}
    if label is None:
        return {}
    if _BIAS not in given:
        return {}  # refused below
    if rows is None or not 0 <= label < len(rows):
        count = "no" if rows is None else str(len(rows))
        raise WeightsRefused(f"class {label} was asked for; it has {count} class labels")
    return {_BIAS: given[_BIAS].float() + rows[label].float()}


def _check(
    given: Tensors, wanted: Mapping[str, torch.Size], weights: Tensors, shape: NetworkShape
) -> None:
    """Raises WeightsRefused for whatever is not expected to differ."""

    def may_differ(name: str) -> bool:
        return name == _LABELS or name.startswith(_HEAD)

    missing = [name for name in wanted if name not in given and not may_differ(name)]
    odd = [name for name in given if name not in wanted and not may_differ(name)]
    shapes = [
        f"{name} {list(value.shape)} where {list(wanted[name])} is needed"
        for name, value in weights.items()
        if value.shape != wanted[name]
    ]
    faults = ("missing", missing), ("not in the network", odd), ("other shapes", shapes)
    told = "; ".join(f"{what}: {_listed(names)}" for what, names in faults if names)
    if told:
        raise WeightsRefused(f"it is of another network than {_described(shape)}; {told}")


def _listed(names: Sequence[str]) -> str:
    """The first of some names, and how many there are."""
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return f"{', '.join(names[:_TOLD])}{more}"


def _described(shape: NetworkShape) -> str:
    levels = ", ".join(map(str, shape.multipliers))
    return f"{shape.channels} channels, levels ({levels}), {shape.res_blocks} blocks each"
