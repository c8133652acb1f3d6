"""Which parts are meant, by who they are: `lot=L-17*`, `serial=SN-0815`, `cavity=3`. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated

import typer

from schemas.part import PartRef

PartFlags = Annotated[
    list[str] | None,
    typer.Option(
        "--part",
        metavar="WHAT=PATTERN",
        help="only parts of which this is said: id, serial, lot, recipe, shift, view or an "
        "attribute, e.g. 'lot=L-17*'; repeatable, another WHAT has to hold too",
    ),
]


@dataclass(frozen=True, slots=True)
class PartFilter:
    """Every name that is given has to be said of a part, and fit one of its patterns."""

    patterns: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def of(cls, patterns: Mapping[str, Sequence[str]]) -> "PartFilter":
        """Name -> patterns; where none is given any text will do."""
        return cls(tuple((name, tuple(given) or ("*",)) for name, given in patterns.items()))

    def takes(self, part: PartRef | None) -> bool:
        """Whether a part is meant; one of which nobody knows is not, when anything is asked."""
        if not self.patterns:
            return True
        said = {} if part is None else part.said()
        return all(
            name in said and any(fnmatchcase(said[name], pattern) for pattern in patterns)
            for name, patterns in self.patterns
        )


ANY_PART = PartFilter()


def part_filter(flags: Iterable[str] | None) -> PartFilter:
    """The flags as a filter. Raises typer.BadParameter."""
    found: dict[str, list[str]] = {}
    for flag in flags or ():
        name, equals, pattern = flag.partition("=")
        if not (name and equals and pattern):
            raise typer.BadParameter(f"--part {flag}: give WHAT=PATTERN, e.g. lot=L-17*")
        found.setdefault(name, []).append(pattern)
    return PartFilter.of(found)
