"""Models that several test files need: trained once for a run, whatever its processes."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from stream_inspector.model.version import Model, ModelFiles, load_model, save_model


def trained_once(name: str, train: Callable[[], Model]) -> Model:
    """The model that the first process of the run to ask has trained; others wait for it."""
    folder = Path(os.environ["XDG_CACHE_HOME"]) / "models" / name  # of this run: conftest.py
    folder.mkdir(parents=True, exist_ok=True)
    manifest, tensors = folder / "manifest", folder / "tensors"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not manifest.exists():
            made = save_model(train())
            tensors.write_bytes(made.tensors)
            manifest.write_bytes(made.manifest)
    return load_model(ModelFiles(manifest.read_bytes(), tensors.read_bytes()))
