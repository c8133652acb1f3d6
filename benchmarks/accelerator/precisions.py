"""Ways to run one network: precisions, and modes of the compiler."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from benchmarks.accelerator.row import Row
from stream_inspector.diffusion.denoiser import Network
from stream_inspector.diffusion.precision import mixed

PRECISIONS = ("fp32", "tf32", "bf16")
EAGER, COMPILED, GRAPHS = "eager", "compiled", "cuda-graphs"
MODES = (COMPILED, GRAPHS)


@contextmanager
def precision(row: Row, name: str) -> Iterator[Network]:
    """The network's inside in a precision; KL and all that is compared stay in fp32."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = name == "tf32"
    try:
        yield mixed(row.network, row.device) if name == "bf16" else row.network
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def compiled(network: Network, mode: str) -> Network:
    """The network by torch's compiler; graphs also spare the launches, one for each batch size."""
    options = "reduce-overhead" if mode == GRAPHS else "default"
    made: Network = torch.compile(network, mode=options, dynamic=False)
    return made


def modes(row: Row) -> tuple[str, ...]:
    """Those that the device has."""
    return MODES if row.device.type == "cuda" else (COMPILED,)
