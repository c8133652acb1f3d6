"""Squared error between the features predicted from x_t and the true ones (RAN section C)."""

from torch import Tensor


def reconstruction_maps(predicted: Tensor, features: Tensor) -> Tensor:
    """Mean over channels of the squared error, [B, C, h, w] twice -> [B, h, w]."""
    return (predicted - features).square().mean(1)
