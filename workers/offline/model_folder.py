"""A model version as two files in a folder: what `train` writes and `model push` reads."""

import json
from pathlib import Path

from stream_inspector.errors import ModelCorrupt, ModelError
from stream_inspector.model.version import Model, ModelFiles, load_model, save_model
from workers.runtime.host.whole_file import write_whole

MANIFEST, TENSORS = "manifest.json", "tensors.safetensors"


def write_model(model: Model, folder: Path) -> None:
    """Write both files, each whole or not at all."""
    files = save_model(model)
    for name, data in ((TENSORS, files.tensors), (MANIFEST, files.manifest)):
        write_whole(folder / name, data)


def read_files(folder: Path) -> ModelFiles:
    """The two files as they are. Raises ModelCorrupt when one is missing."""
    try:
        return ModelFiles(
            manifest=(folder / MANIFEST).read_bytes(), tensors=(folder / TENSORS).read_bytes()
        )
    except OSError as error:
        raise ModelCorrupt(
            f"{folder}: no model here ({error.strerror}: {error.filename}); make one with "
            "`stream-inspector train`"
        ) from error


def read_model(folder: Path) -> Model:
    """Read and verify a model. Raises ModelCorrupt or ModelUnsupported naming the folder."""
    files = read_files(folder)
    try:
        return load_model(files)
    except ModelError as error:
        raise type(error)(f"{folder}: {error}") from error


def models_in(folder: Path) -> dict[Path, tuple[str, ...]]:
    """The model folder itself, or the model folders directly inside: each with its categories.

    Raises ModelCorrupt when there is none.
    """
    inside = sorted(path.parent for path in folder.glob(f"*/{MANIFEST}"))
    folders = [folder] if (folder / MANIFEST).is_file() or not inside else inside
    return {each: _categories(each) for each in folders}


def _categories(folder: Path) -> tuple[str, ...]:
    try:
        return tuple(json.loads(read_files(folder).manifest)["categories"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelCorrupt(f"{folder}: the manifest names no categories; train again") from error
