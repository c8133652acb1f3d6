"""The models page: versions and where they come from; activate, roll back, try, promote, end."""

from collections.abc import Callable, Mapping

from starlette.responses import RedirectResponse, Response

from stream_inspector.errors import InspectorError
from stream_inspector.threshold.production.versions import advise
from workers.console.asking.models import Category, find_category, summaries
from workers.console.asking.trials import compare_trial
from workers.console.pages.desk import Asked
from workers.runtime.registry.activations import Superseded
from workers.runtime.registry.registry import Registry, UnknownVersion
from workers.runtime.registry.switching import begin_trial, end_trial, roll_back
from workers.runtime.registry.trial import Mode, Trial
from workers.runtime.settings.shares import as_share

CONFIDENCE = 0.95
WHY_LIMIT = 500  # characters
_MISSING = "The model store has no versions of this category."
_LEAST_FRAMES = 500


def models_page(asked: Asked) -> Response:
    """The categories, and which version of each is active."""
    store = asked.room.settings.models.store
    return asked.show("models.html.j2", categories=summaries(asked.room.versions), store=store)


def model_page(asked: Asked) -> Response:
    """One category's versions."""
    found = _category(asked)
    return _show(asked, found) if found else asked.show("missing.html.j2", 404, what=_MISSING)


def comparison_page(asked: Asked) -> Response:
    """The trial of a category beside its active version: a piece of the page."""
    found = _category(asked)
    last = found.last if found else None
    if found is None or last is None or last.trial is None:
        return asked.tell("nothing is on trial", 404)
    with asked.room.database.read() as connection:
        compared = compare_trial(connection, found.category, last, last.trial, CONFIDENCE)
    guard = last.trial.most_alarms
    advice = None if guard is None else advise(compared, guard, last.trial.least_frames)
    template = "comparison.html.j2" if asked.is_part_of_page else "compared.html.j2"
    return asked.show(
        template, category=found.category, last=last, trial=last.trial, it=compared, advice=advice
    )


def change_model(asked: Asked) -> Response:
    """Do what a button says, if nobody was faster, and put it on the trail."""
    found = _category(asked)
    if found is None:
        return asked.show("missing.html.j2", 404, what=_MISSING)
    act, why = asked.form.get("act", ""), asked.form.get("why", "").strip()[:WHY_LIMIT]
    if act not in _ACTS:
        return asked.tell("there is no such act", 422)
    if not why:
        return _show(asked, found, "Say why: it is kept with the activation.", 422)
    try:
        seen = int(asked.form.get("seen", ""))
        done = _ACTS[act](asked, found.category, why, seen)
    except (Superseded, InspectorError, UnknownVersion) as error:
        return _show(asked, _category(asked) or found, str(error), 409)
    except ValueError as error:
        return _show(asked, found, str(error), 422)
    asked.note(f"model {act}", f"{found.category}: {done}; {why}")
    return RedirectResponse(f"/models/{found.category}", 303)


def _category(asked: Asked) -> Category | None:
    return find_category(asked.room.versions, asked.request.path_params["category"])


def _show(asked: Asked, found: Category, problem: str = "", status: int = 200) -> Response:
    return asked.show(
        "model.html.j2", status, it=found, last=found.last, problem=problem, why_limit=WHY_LIMIT
    )


def _activate(asked: Asked, category: str, why: str, seen: int) -> str:
    version = asked.form.get("version", "")
    number = _registry(asked).activate(category, version, asked.person.name, why, seen)
    return f"activation {number}, version {version}"


def _roll_back(asked: Asked, category: str, why: str, seen: int) -> str:
    number, version = roll_back(
        _registry(asked), category, by=asked.person.name, why=why, expect=seen
    )
    return f"activation {number}, version {version}"


def _try(asked: Asked, category: str, why: str, seen: int) -> str:
    trial = _trial(asked.form)
    number = begin_trial(
        _registry(asked), category, trial, by=asked.person.name, why=why, expect=seen
    )
    return f"activation {number}, {trial}"


def _trial(form: Mapping[str, str]) -> Trial:
    """The trial that a form describes. Raises ValueError."""
    guard = form.get("most_alarms", "").strip()
    cameras = form.get("cameras", "").replace(",", " ").split()
    return Trial.read(
        {
            "version": form.get("version", ""),
            "mode": form.get("mode", Mode.SHADOW.value),
            "share": as_share(form.get("share", "")),
            "cameras": cameras,
            "most_alarms": as_share(guard) if guard else None,
            "least_frames": int(form.get("least_frames", "") or _LEAST_FRAMES),
        }
    )


def _promote(asked: Asked, category: str, why: str, seen: int) -> str:
    return _end(asked, category, why, seen, promote=True)


def _end(asked: Asked, category: str, why: str, seen: int, *, promote: bool = False) -> str:
    number, version = end_trial(
        _registry(asked),
        category,
        by=asked.person.name,
        why=why,
        expect=seen,
        promote=promote,
    )
    return f"activation {number}, version {version}"


def _registry(asked: Asked) -> Registry:
    return asked.room.versions.changing()


_ACTS: Mapping[str, Callable[[Asked, str, str, int], str]] = {
    "activate": _activate,
    "rollback": _roll_back,
    "try": _try,
    "promote": _promote,
    "end": _end,
}
