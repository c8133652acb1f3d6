"""The section `evidence`, the same in the file of every process that has to do with pictures."""

from typing import Self

from pydantic import Field, model_validator

from workers.runtime.settings.base import Section

DEFECT, NEAR_MISS = "defect", "near_miss"
GRADES = (DEFECT, NEAR_MISS)
_SIGNED_DAYS = 7  # S3 signs for no longer


class LimitSection(Section):
    """How long cases of one grade stay, and how much of them."""

    days: float | None = Field(
        default=None,
        gt=0,
        description="a case goes after so many days; empty: as for all categories, there: never",
    )
    gb: float | None = Field(
        default=None,
        gt=0,
        description="beyond so many gigabytes of a category's cases of this grade the oldest go; "
        "empty: as for all categories, there: no bound but max_gb",
    )


class GradesSection(Section):
    """Limits of one category, where they differ from those of all."""

    defect: LimitSection = LimitSection()
    near_miss: LimitSection = LimitSection()


class KeepSection(Section):
    """What `stream-inspector evidence gc` leaves."""

    defect: LimitSection = LimitSection(days=90)
    near_miss: LimitSection = LimitSection(days=14)
    categories: dict[str, GradesSection] = Field(
        default={}, description="category -> its own limits: {bottle: {defect: {days: 365}}}"
    )
    max_gb: float = Field(
        default=50.0,
        gt=0,
        description="of everything; beyond it near misses go first, then defects, the oldest first",
    )
    expired_days: float = Field(
        default=365.0,
        gt=0,
        description="an old link says for so long when and why its picture went",
    )

    @model_validator(mode="after")
    def _a_defect_stays_longer(self) -> Self:
        for category in (None, *self.categories):
            defect, near = (self.limits(category, grade).days for grade in GRADES)
            if defect is not None and (near is None or near > defect):
                where = f"categories.{category}." if category else ""
                said = "none" if near is None else f"{near:g}"
                raise ValueError(
                    f"evidence.keep.{where}near_miss.days ({said}) must be at most "
                    f"{where}defect.days ({defect:g})"
                )
        return self

    def limits(self, category: str | None, grade: str) -> LimitSection:
        """What holds for a grade of a category."""
        all_, own = (_of(each, grade) for each in (self, self.categories.get(category or "")))
        assert all_ is not None  # noqa: S101
        if own is None:
            return all_
        return LimitSection(
            days=own.days if own.days is not None else all_.days,
            gb=own.gb if own.gb is not None else all_.gb,
        )


def _of(section: KeepSection | GradesSection | None, grade: str) -> LimitSection | None:
    if section is None:
        return None
    return section.near_miss if grade == NEAR_MISS else section.defect


class EvidenceSection(Section):
    """Pictures that events link to: where they are, how they open, how long they stay."""

    url: str | None = Field(default=None, description="a folder or an fsspec URL; default: none")
    timeout_s: float = Field(
        default=10.0, gt=0, description="a picture that takes longer is left out of its event"
    )
    served_url: str | None = Field(
        default=None,
        pattern=r"^https?://\S+$",
        description="where a web server of yours serves that folder or bucket: alarms link there",
    )
    signed_hours: float | None = Field(
        default=None,
        gt=0,
        le=24 * _SIGNED_DAYS,
        description="object stores: links in alarms open without a login for so long; needs "
        "evidence.url, and its login, at the notifier; empty: not signed",
    )
    keep: KeepSection = KeepSection()

    @model_validator(mode="after")
    def _what_is_signed_is_ours(self) -> Self:
        if self.signed_hours is not None and self.url is None:
            raise ValueError(
                "evidence.signed_hours needs evidence.url: the store that is linked to"
            )
        return self
