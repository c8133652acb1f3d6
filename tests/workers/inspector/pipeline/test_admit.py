"""A frame is decoded as its category's model wants to see it; places are told in the frame."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from schemas.frame import Frame, encode_frame
from stream_inspector.image.decode import Decoded, DecodeLimits
from stream_inspector.image.pictures import encode_png
from stream_inspector.image.view.canvas import View
from workers.inspector.pipeline.admit import admit
from workers.inspector.work import Admitted, Rejection, Waiting
from workers.runtime.bus.ports import Partition, Record
from workers.runtime.decoders.picture import Picture
from workers.runtime.settling.results import Ticket

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
FRAME = Frame("f1", "line-1", "bolts", 7, NOW, "image/png", encode_png(PIXELS))
RIGHT = View((40, 30), region=(0.5, 0.0, 1.0, 1.0))


def decode(picture: Picture) -> Decoded:
    return picture.decoded(DecodeLimits())


def admitted(frame: Frame, view: View | None) -> Admitted | Rejection | Waiting:
    message = encode_frame(frame)
    record = Record(Partition("frames", 0), 1, message.key, message.value, message.headers, 0)
    return admit(Ticket(record, 1, NOW, 10), {"bolts"}, lambda _: view, decode)


def test_a_frame_is_cut_to_its_region_and_knows_where_it_was() -> None:
    found = admitted(FRAME, RIGHT)
    assert isinstance(found, Admitted)
    assert (found.image == PIXELS[:, 30:]).all()
    assert found.view == RIGHT
    assert found.place.frame == (60, 40)
    assert found.place.to_frame(0, 0) == (30, 0)


def test_a_category_without_a_model_waits_and_an_unknown_one_does_not() -> None:
    assert isinstance(admitted(FRAME, None), Waiting)
    assert isinstance(admitted(replace(FRAME, category="nuts"), RIGHT), Rejection)
