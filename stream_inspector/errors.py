"""Every error the core raises.

InspectorError
├── FrameRejected        this frame cannot be inspected; the next one can (a dead letter)
│   ├── Undecodable      the bytes are no image
│   │   └── Damaged          a part of the image's data is lost
│   ├── TooLarge         more pixels, bytes or memory than the limit: refused before decoding
│   └── TooSlow          decoding takes longer than the limit
├── DataError            a folder of images is not what a command needs; says which and what to do
│   ├── TooFewImages     not enough good images for what was asked
│   └── WeightsRefused   pretrained weights are for another network; names what does not fit
├── ModelError           a model version cannot be used
│   ├── ModelCorrupt     digest, shape or key does not match the manifest
│   ├── ModelUnsupported made by a newer format or another preset
│   └── SelfTestFailed   the device does not compute what calibration saw
├── ShareDone            this process's share of a training is done; the first one goes on
├── UnknownCategory      the model is not for this category, or for several and none was named
└── CalibrationRefused   the good images cannot carry the promise; says how many are missing
"""


class InspectorError(Exception):
    """Root of the core's errors."""


class FrameRejected(InspectorError):
    """This frame cannot be inspected. `reason` is the dead letter's stable code."""

    reason = "undecodable"


class Undecodable(FrameRejected):
    """The bytes do not decode to an image."""

    reason = "undecodable"


class Damaged(Undecodable):
    """A part of the image's data is lost; a codec would fill the gap silently."""

    reason = "damaged"


class TooLarge(FrameRejected):
    """The image is larger than the limit."""

    reason = "too-large"


class TooSlow(FrameRejected):
    """Decoding the image takes longer than the limit."""

    reason = "too-slow"


class DataError(InspectorError):
    """A data folder is not what the command needs."""


class TooFewImages(DataError):
    """Not enough good images."""


class WeightsRefused(DataError):
    """Pretrained weights are for another network than the one that is to be trained."""


class ModelError(InspectorError):
    """A model version cannot be used."""


class ModelCorrupt(ModelError):
    """The artefact's bytes do not match its manifest."""


class ModelUnsupported(ModelError):
    """The artefact needs another version of this code."""


class SelfTestFailed(ModelError):
    """The self-test image does not get its score on this device."""


class EngineMissing(InspectorError):
    """The engine that was asked for is not installed."""


class ShareDone(InspectorError):
    """One of several processes has trained its share of the networks; the first one goes on."""


class UnknownCategory(InspectorError):
    """The model does not know this category, or knows several and none was named."""


class CalibrationRefused(InspectorError):
    """The good images cannot carry the promise that was asked for."""
