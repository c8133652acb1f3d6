"""What was decided about pictures and masks without asking, told once at the end of a command."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from stream_inspector.image.formats.traits import Traits
from workers.runtime.host.terminal import Terminal, text

_ALL_BITS = 16
_OF_ONE = {"have": "has", "are": "is", "hold": "holds"}
_TURNED = (
    "have an orientation and were turned upright, as viewers show them (view.orientation: stored "
    "in the category's file leaves the pixels as they lie)"
)
_STORED = (
    "have an orientation and were seen as their pixels lie, not as viewers show them: masks that "
    "were drawn in a viewer do not fit"
)
_ALPHA = "have transparent pixels: alpha was dropped, and what lies below was seen"
_INKS = "are in CMYK and were turned into RGB without a colour profile"
_FURTHER = "hold a further picture (a preview, a depth map): the first was taken"


_current: ContextVar["Noted"] = ContextVar("notes")


class Noted:
    """Counts, with a file for each. A file that is read twice counts once."""

    def __init__(self) -> None:
        self._pictures: dict[str, dict[Path, None]] = defaultdict(dict)
        self._masks: dict[str, dict[Path, None]] = defaultdict(dict)
        self._said: dict[str, None] = {}
        self._bits: dict[Path, int] = {}

    def picture(self, path: Path, traits: Traits, upright: bool | None) -> None:
        """What reading a picture had to decide."""
        if traits.orientation != 1:
            by_library = upright is None and path.suffix.lower().startswith(".tif")
            self._pictures[_TURNED if upright or by_library else _STORED][path] = None
        for kind, odd in ((_ALPHA, traits.alpha), (_INKS, traits.inks), (_FURTHER, traits.further)):
            if odd:
                self._pictures[kind][path] = None
        if traits.bits is not None:
            self._bits[path] = traits.bits

    def mask(self, path: Path, took: str) -> None:
        """What was taken for defect."""
        if took:
            self._masks[took][path] = None

    def say(self, line: str) -> None:
        """Anything else, once."""
        self._said[line] = None

    def lines(self) -> Iterator[str]:
        """What is to be told."""
        for what, paths in self._pictures.items():
            yield f"{_many(paths, 'picture')} {_said_of(len(paths), what)}"
        if 0 < max(self._bits.values(), default=_ALL_BITS) < _ALL_BITS:
            yield f"{_many(self._bits, 'picture')} {_said_of(len(self._bits), self._of_bits())}"
        for took, paths in self._masks.items():
            yield f"{_many(paths, 'mask')}: {took} was taken for defect"
        yield from self._said

    def _of_bits(self) -> str:
        used = max(self._bits.values())
        return (
            f"have samples of 16 bits whose highest ones are never used: {used} bits would do, and "
            f"{max(1, 2 ** (used - 8))} grey levels are left of them. Put `view: {{bits: "
            f"{max(used, 9)}}}` into the category's file and train again"
        )


def noted() -> Noted:
    """The notes of this command."""
    return _current.get(None) or _nobody()


@contextmanager
def noting() -> Iterator[Noted]:
    """Notes of their own for what is read inside."""
    notes = Noted()
    before = _current.set(notes)
    try:
        yield notes
    finally:
        _current.reset(before)


@contextmanager
def telling() -> Iterator[None]:
    """Notes of their own, said on standard error at the end, whatever the end is."""
    with noting() as notes:
        try:
            yield
        finally:
            said = Terminal(stderr=True)
            for line in notes.lines():
                said.print(text(("note", "yellow"), f" {line}"), soft_wrap=True)


def _said_of(count: int, what: str) -> str:
    verb, _, rest = what.partition(" ")
    return what if count > 1 else f"{_OF_ONE[verb]} {rest.replace(' were ', ' was ', 1)}"


def _many(paths: Iterable[Path], what: str) -> str:
    every = list(paths)
    return f"{len(every)} {what}{'s' * (len(every) > 1)} (e.g. {every[0].name})"


@cache
def _nobody() -> Noted:
    """Outside of a command nobody is told."""
    return Noted()
