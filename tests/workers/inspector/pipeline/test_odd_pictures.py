from structlog.testing import capture_logs

from stream_inspector.image.formats.traits import Traits
from workers.inspector.pipeline.odd_pictures import OddPictures


def said(*pictures: tuple[str, Traits]) -> list[tuple[str, str]]:
    odd = OddPictures()
    with capture_logs() as logs:
        for camera, traits in pictures:
            odd.look(camera, "bolts", traits, upright=True)
    return [(entry["camera_id"], entry["what"]) for entry in logs]


def test_each_camera_is_told_of_once() -> None:
    turned = Traits(orientation=6)
    told = said(*[("a", turned)] * 3, ("b", turned), ("b", Traits(6, alpha=True)))
    assert [camera for camera, _ in told] == ["a", "b", "b"]
    assert "view.orientation" in told[0][1]
    assert "alpha" in told[2][1]


def test_plain_pictures_are_not_told_of() -> None:
    assert not said(*[("a", Traits())] * 60, *[("b", Traits(bits=16))] * 60)


def test_bits_that_no_frame_used_are_told_when_there_were_enough() -> None:
    dark, bright = Traits(bits=9), Traits(bits=12)
    assert not said(*[("a", dark)] * 49)
    assert said(*[("a", dark)] * 49, *[("a", bright)] * 9) == [
        ("a", "at most 12 of 16 bits are used (view.bits)")
    ]


def test_cameras_without_end_take_no_memory_without_end() -> None:
    assert len(said(*((str(number), Traits(6)) for number in range(1200)))) == 1000
