"""A model version with other thresholds, from its manifest alone: the tensors stay as they are."""

import json
from collections.abc import Mapping
from typing import Any

from stream_inspector.errors import CalibrationRefused, ModelCorrupt
from stream_inspector.model.manifest import canonical, digest, version_of
from stream_inspector.threshold.budget import Calibration

_MEASURED = ("self_test.image", "eight_bits.ranges")  # by calibration, with its images
Scalar = str | int | float | bool | None


def with_thresholds(
    manifest: bytes, category: str, calibration: Calibration, learnt: Mapping[str, Scalar]
) -> tuple[str, bytes]:
    """The new version and its manifest; `learnt` goes into its provenance, under the category.

    Raises ModelCorrupt, CalibrationRefused.
    """
    plain = _read(manifest)
    before = plain.get("calibrations", {}).get(category)
    if before is None:
        raise CalibrationRefused(f"the version has no thresholds for {category}")
    if not before.get("looks") and (before.get("defects") or {}).get("kinds"):
        # without kinds its manifest would have another format, which needs the whole model
        raise CalibrationRefused("it was calibrated by an older release: use `calibrate`")
    old = f"{category}/reviews"
    kept = {k: v for k, v in plain["provenance"].items() if not k.startswith(old)}
    plain["provenance"] = kept | {f"{category}/{name}": value for name, value in learnt.items()}
    plain["calibrations"] = {**plain["calibrations"], category: calibration.to_dict()}
    version = version_of(plain)
    return version, canonical(plain | {"version": version})


def weights_of(manifest: bytes) -> str:
    """The same for versions that give the same scores. Raises ModelCorrupt."""
    plain = _read(manifest)
    tensors = plain.get("tensors", {})
    weights = {name: each for name, each in tensors.items() if not name.endswith(_MEASURED)}
    return digest(canonical({"t": weights, "p": plain.get("preset"), "v": plain.get("views")}))


def _read(manifest: bytes) -> dict[str, Any]:
    try:
        plain = json.loads(manifest)
    except (ValueError, RecursionError) as error:
        raise ModelCorrupt(f"the manifest is not JSON: {error}") from None
    if not isinstance(plain, dict) or not isinstance(plain.get("provenance", {}), dict):
        raise ModelCorrupt("the manifest does not describe a model")
    return {"provenance": {}, **plain}
