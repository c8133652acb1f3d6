"""Shares of a whole: 0.05, or 5%."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

_SAYS = "a share is a number from 0 to 1, or a percentage: 0.05 or 5%"


def as_share(value: Any) -> Any:
    """A share as a number. Raises ValueError for text that is none, and for more than all."""
    if isinstance(value, str):
        return _read(value)
    if isinstance(value, int | float) and value > 1:
        raise ValueError(f"{_SAYS}; {value:g} is more than all")
    return value


def _read(text: str) -> float:
    plain = text.strip()
    try:
        found = float(plain.removesuffix("%")) / (100 if plain.endswith("%") else 1)
    except ValueError:
        raise ValueError(_SAYS) from None
    if found > 1:
        meant = f"; {plain} is more than all" + ("" if plain.endswith("%") else f": {plain}%?")
        raise ValueError(_SAYS + meant)
    return round(found, 12)  # 0.1% is 0.001, whatever binary fractions make of it


def _or_none(value: Any) -> Any:
    if value is None or value == "none":
        return value
    found = as_share(value)
    if not 0 < found < 1:
        raise ValueError(f"{_SAYS}; neither none nor all of them (or the word none)")
    return found


AsShare = BeforeValidator(as_share)
Share = Annotated[float, Field(ge=0, le=1), AsShare]
Rate = Annotated[float, Field(gt=0, lt=1), AsShare]
RateOrNone = Annotated[
    Annotated[float, Field(gt=0, lt=1)] | Literal["none"], BeforeValidator(_or_none)
]
