"""Models of anomalib, an optional library, beside ours: `compare --with NAME`.

A thin adapter: the library's own model, pre-processing and trainer, on our images. Nothing of it is
imported before a model is asked for.
"""

import logging
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from stream_inspector.baselines import Method
from stream_inspector.baselines.method import Scored
from stream_inspector.baselines.training import Training, bytes_of, seeded
from workers.runtime.errors import SettingsError
from workers.runtime.host.surroundings import hub_open

BATCH = 4  # the library's default is 32, for accelerators
ONE_IMAGE = frozenset({"efficientad"})  # whose loss is defined for batches of one
ITERATIONS = 300  # unless told otherwise


def require(names: Iterable[str]) -> list[str]:
    """The names, once the library is there and knows them. Raises SettingsError."""
    names = list(names)
    if names and find_spec("anomalib") is None:
        raise SettingsError(
            f"--with {names[0]}: anomalib is not installed; "
            "pip install 'stream-inspector[anomalib]'"
        )
    for name in names:
        known = _known()
        if name.replace("_", "").lower() not in known:
            raise SettingsError(
                f"--with: anomalib has no {name!r}; it has {', '.join(known.values())}"
            )
    return names


def library_method(name: str) -> Method:
    """One of the library's models, with its own defaults."""
    return Method(partial(_fit, name), iterations=ITERATIONS, pixels=True)


@dataclass(frozen=True, eq=False)
class FromLibrary:
    """A trained model of the library's."""

    model: Any
    device: torch.device

    @property
    def nbytes(self) -> int:
        """What it has to keep in memory."""
        return bytes_of(self.model)

    def score(self, images: Tensor) -> Scored:
        """Its own maps and scores of uint8 images [B, 3, H, W]."""
        found = self.model(_input(images).to(self.device))
        if found.anomaly_map is None:
            raise SettingsError(f"--with: {type(self.model).__name__} gives no maps, only scores")
        maps, scores = found.anomaly_map.float().cpu(), found.pred_score
        own = None if scores is None else scores.float().cpu().reshape(-1)
        return Scored(maps.reshape(len(images), *maps.shape[-2:]), own)


def _fit(name: str, images: Tensor, training: Training) -> FromLibrary:
    """Train on good uint8 images [N, 3, H, W]."""
    from anomalib.data import ImageBatch
    from anomalib.engine import Engine
    from torch.utils.data import DataLoader

    for name_of in ("anomalib", "lightning.pytorch", "lightning.fabric"):  # they tell what we know
        logging.getLogger(name_of).setLevel(logging.ERROR)
    with seeded(training.seed), hub_open(), tempfile.TemporaryDirectory() as folder:
        model = _model(name)
        size = 1 if name.replace("_", "").lower() in ONE_IMAGE else BATCH

        def collate(items: list[Tensor]) -> Any:
            return ImageBatch(image=torch.stack(items), gt_label=torch.zeros(len(items)).bool())

        good: Any = [*_input(images)]
        loader = DataLoader(
            good, size, shuffle=True, collate_fn=collate, generator=training.generator
        )
        engine = Engine(
            callbacks=[_stopper(training)],
            default_root_dir=folder,
            accelerator="gpu" if training.device.type == "cuda" else "cpu",
            devices=1,
            logger=False,
            limit_val_batches=0,
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        engine.fit(model, train_dataloaders=loader, val_dataloaders=loader)
    return FromLibrary(model.eval().to(training.device), training.device)


def _stopper(training: Training) -> Any:
    """Ends the library's training when the budget is spent."""
    from lightning.pytorch.callbacks import Callback

    class Stopper(Callback):  # type: ignore[misc]  # the library is untyped here
        def __init__(self) -> None:
            self.done = 0
            training.spent(0)

        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            self.done += 1
            if training.spent(self.done) >= 1:
                trainer.should_stop = True

    return Stopper()


def _model(name: str) -> Any:
    """A fresh model, with nothing that labelled images would set."""
    from anomalib.models import get_model

    return get_model(name, post_processor=False, evaluator=False, visualizer=False)


def _known() -> dict[str, str]:
    """The library's models by what they may be called: as their class, or in snake case."""
    from anomalib.models import list_models

    names = sorted(list_models("pascal"))
    return {name.lower(): name for name in names}


def _input(images: Tensor) -> Tensor:
    """uint8 [B, 3, H, W] -> float32 in [0, 1], as the library's own pre-processing expects."""
    return images.float() / 255
