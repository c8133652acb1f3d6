"""What the encodings of a camera cost: time, bytes, and what a lossy one does to the verdicts.

    python -m benchmarks.encodings --data DIR [--categories bottle grid] [--side 512] [--images 20]
        [--costs-only]

DIR holds folders in the layout of MVTec AD, at any depth. Pictures are scaled to `--side` first.
Accuracy is that of PaDiM on the frozen features, fitted to pictures that were not encoded.
"""

import argparse
import io
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lz4.frame
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from stream_inspector.baselines.padim import fit_padim
from stream_inspector.features import load_feature_net, to_tensor
from workers.camera.devices.encode import encoded
from workers.camera.devices.pixels import Picture
from workers.camera.settings import DeviceSettings

_GRID = (16, 16)
_SEEN = 256  # pixels of a side that the network sees
_CHANNELS = 40
Pixels = NDArray[np.uint8]
Code = tuple[Callable[[Pixels], bytes], Callable[[bytes, Pixels], Pixels]]


def codes() -> dict[str, Code]:
    """Name -> encode, decode."""

    def device(**settings: object) -> Callable[[Pixels], bytes]:
        given = DeviceSettings.model_validate(settings)
        return lambda pixels: encoded(Picture(pixels), given)[0]

    def opened(data: bytes, like: Pixels) -> Pixels:  # noqa: ARG001  (raw ones need it)
        return np.asarray(Image.open(io.BytesIO(data)))

    def raw(data: bytes, like: Pixels) -> Pixels:
        return np.frombuffer(data, np.uint8).reshape(like.shape)

    return {
        "raw": (device(encoding="raw"), raw),
        "raw, lz4 by Kafka": (
            lambda pixels: lz4.frame.compress(pixels.tobytes()),
            lambda data, like: raw(lz4.frame.decompress(data), like),
        ),
        "png-fast": (device(encoding="png-fast"), opened),
        "png": (device(encoding="png"), opened),
        "jpeg 95": (device(encoding="jpeg", jpeg_quality=95), opened),
        "jpeg 85": (device(encoding="jpeg", jpeg_quality=85), opened),
        "jpeg 60": (device(encoding="jpeg", jpeg_quality=60), opened),
    }


@dataclass
class Cost:
    """Of one encoding, over all pictures."""

    encode_s: float = 0.0
    decode_s: float = 0.0
    sizes: int = 0
    plain: int = 0  # bytes of the pixels
    pixels: int = 0
    worst: int = 0  # grey levels
    areas: list[float] = field(default_factory=list)  # under the ROC, by category

    def take(self, pixels: Pixels, code: Code) -> Pixels:
        """Encode and decode one picture."""
        encode, decode = code
        begun = time.process_time()
        data = encode(pixels)
        between = time.process_time()
        found = decode(data, pixels)
        self.encode_s += between - begun
        self.decode_s += time.process_time() - between
        self.sizes, self.plain = self.sizes + len(data), self.plain + pixels.nbytes
        self.pixels += pixels.shape[0] * pixels.shape[1]
        self.worst = max(self.worst, int(np.abs(found.astype(int) - pixels).max()))
        return found

    def row(self, name: str) -> str:
        """A line of the table."""
        per = 1e9 / self.pixels  # ms of a megapixel
        area = f"{np.mean(self.areas):.3f}" if self.areas else ""
        return (
            f"| {name} | {self.encode_s * per:.1f} | {self.decode_s * per:.1f} | "
            f"{self.sizes / self.plain:.0%} | {self.worst} | {area} |"
        )


def read(file: Path, side: int) -> Pixels:
    """A picture of at most `side` pixels, grey or RGB."""
    picture = Image.open(file)
    picture = picture.convert("L" if picture.mode == "L" else "RGB")
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return np.array(picture)


def area(good: Sequence[float], bad: Sequence[float]) -> float:
    """Under the ROC: how often a defective picture scores higher than a good one."""
    above = np.greater.outer(np.array(bad), np.array(good)).mean()
    return float(above + np.equal.outer(np.array(bad), np.array(good)).mean() / 2)


class Judge:
    """Scores pictures of one category."""

    def __init__(self, good: Sequence[Pixels]) -> None:
        self._net = load_feature_net(_GRID)
        self._fitted = fit_padim(self._features(good), 0, _CHANNELS)

    def scores(self, pictures: Sequence[Pixels]) -> list[float]:
        """The largest value of each map."""
        return self._fitted.score(self._features(pictures)).maps.flatten(1).amax(1).tolist()

    def _features(self, pictures: Sequence[Pixels]) -> Any:
        seen = [
            np.asarray(Image.fromarray(each).convert("RGB").resize((_SEEN, _SEEN)))
            for each in pictures
        ]
        with torch.inference_mode():
            return torch.cat(
                [self._net(to_tensor(seen[i : i + 8])) for i in range(0, len(seen), 8)]
            )


def categories(root: Path, wanted: Sequence[str]) -> Iterator[Path]:
    """Folders that have train/good."""
    for good in sorted(root.glob("**/train/good")):
        folder = good.parent.parent
        if not wanted or folder.name in wanted:
            yield folder


def measure(
    folder: Path, side: int, images: int, costs: dict[str, Cost], *, costs_only: bool
) -> None:
    """One category."""
    train = sorted((folder / "train" / "good").iterdir())[: 2 * images]
    good = sorted((folder / "test" / "good").iterdir())[:images]
    bad = [f for f in sorted(folder.glob("test/*/*")) if f.parent.name != "good"]
    bad = bad[:: max(1, len(bad) // images)][:images]
    pictures = [read(file, side) for file in (*good, *bad)]
    if costs_only:
        for name, code in codes().items():
            for each in pictures:
                costs[name].take(each, code)
        return
    judge = Judge([read(file, side) for file in train])
    same: list[float] | None = None
    for name, code in codes().items():
        seen = [costs[name].take(each, code) for each in pictures]
        lossless = all((a == b).all() for a, b in zip(seen, pictures, strict=True))
        scores = same if lossless and same is not None else judge.scores(seen)
        same = scores if lossless else same
        costs[name].areas.append(area(scores[: len(good)], scores[len(good) :]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--categories", nargs="*", default=[])
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--costs-only", action="store_true", help="time and bytes, no accuracy")
    given = parser.parse_args()
    costs = {name: Cost() for name in codes()}
    found = list(categories(given.data, given.categories))
    if not found:
        parser.error(f"--data {given.data}: no folder with train/good below it")
    for folder in found:
        measure(folder, given.side, given.images, costs, costs_only=given.costs_only)
        print(folder.name, flush=True)
    print("| encoding | encode, ms/MP | decode, ms/MP | bytes | largest error | area under ROC |")
    print("|---|---|---|---|---|---|")
    for name, cost in costs.items():
        print(cost.row(name))


if __name__ == "__main__":
    main()
