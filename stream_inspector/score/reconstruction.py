"""Squared error between the features predicted from x_t and the true ones (RAN section C)."""

from torch import Tensor


def reconstruction_maps(predicted: Tensor, features: Tensor) -> Tensor:
    """Mean over channels of the squared error, [..., C, h, w] twice -> [..., h, w]."""
    return (predicted - features).square().mean(-3)
