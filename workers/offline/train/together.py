"""Several processes that train one model, as torchrun starts them: `WORLD_SIZE` says how many.

The first one reads, says and writes as ever. The others read the same images and the same
checkpoint, take their share of every step, and end when the networks are trained.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import torch.distributed as dist
from rich.console import Console

from stream_inspector.diffusion.peers import Peers
from workers.offline.settings import TrainerSettings
from workers.runtime.errors import Fatal, SettingsError
from workers.runtime.host.terminal import text
from workers.runtime.lifecycle import StopSignal

_PATIENCE = timedelta(minutes=30)  # for the first process, which writes checkpoints of gigabytes


@dataclass(frozen=True, slots=True)
class Together:
    """What one of the processes trains with."""

    how: TrainerSettings
    console: Console
    stop: StopSignal
    peers: Peers = field(default_factory=Peers)

    @property
    def first(self) -> bool:
        """Whether this is the process that says and writes."""
        return self.peers.rank == 0


@contextmanager
def joined(
    how: TrainerSettings,
    console: Console,
    stop: StopSignal,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Together]:
    """The group of processes that this one is of; alone where nobody started several.

    Raises SettingsError for what only torchrun sets and did not, Fatal where the others are lost.
    """
    told = os.environ if environment is None else environment
    count = _number(told, "WORLD_SIZE", 1)
    if count == 1:
        yield Together(how, console, stop)
        return
    peers, place = Peers(_number(told, "RANK"), count), _number(told, "LOCAL_RANK")
    own = how.model_copy(update={"device": f"cuda:{place}"}) if how.device == "cuda" else how
    dist.init_process_group("nccl" if own.device.startswith("cuda") else "gloo", timeout=_PATIENCE)
    try:
        if peers.rank == 0:
            console.print(text(f"training in {count} processes; this one writes"))
            yield Together(own, console, stop, peers)
        else:  # told to stop, it goes on until the first one has: that one needs it for its step
            console.quiet = True
            yield Together(own, console, StopSignal(), peers)
    except RuntimeError as error:
        if peers.rank == 0:
            raise
        raise Fatal(f"process {peers.rank} of {count} has lost the others: {error}") from error
    finally:
        dist.destroy_process_group()


def _number(told: Mapping[str, str], name: str, default: int | None = None) -> int:
    try:
        return int(told[name]) if default is None else int(told.get(name, default))
    except (KeyError, ValueError):
        raise SettingsError(
            f"{name}: torchrun sets it for each process; start several with torchrun, "
            "or unset WORLD_SIZE to train in this one"
        ) from None
