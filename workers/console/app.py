"""The web application: which address shows which page, and who may see it."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from workers.console.guarding import Guarded
from workers.console.pages.case import case_zip
from workers.console.pages.category import category_page
from workers.console.pages.desk import Asked, Room, acting, looking
from workers.console.pages.lines import acknowledge, announce, lines_page
from workers.console.pages.live import LiveStream, live_page
from workers.console.pages.login import log_out, login_page
from workers.console.pages.models import (
    change_model,
    comparison_page,
    model_page,
    models_page,
)
from workers.console.pages.part import part_page
from workers.console.pages.picture import picture_page
from workers.console.pages.report import report_page, report_pdf
from workers.console.pages.review import judge, judge_part, review_home, review_page
from workers.console.pages.search import search_csv, search_page
from workers.console.pages.thresholds import calibrate_page, thresholds_page, work_page
from workers.console.pages.trail import trail_page

_STATIC = Path(__file__).parent / "static"


class _Static(StaticFiles):
    """Files of the package: kept by the browser, and asked about once an hour."""

    def file_response(self, *given: object, **named: object) -> Response:
        answer = super().file_response(*given, **named)  # type: ignore[arg-type]
        answer.headers["Cache-Control"] = "max-age=3600"
        return answer


def make_app(room: Room) -> Starlette:
    """The application on a room."""
    routes = [
        Route("/", _home),
        Route("/login", login_page, methods=["GET", "POST"]),
        Route("/logout", acting(log_out, "viewer"), methods=["POST"]),
        Route("/live", looking(live_page)),
        Route("/live/stream", LiveStream(room.settings.console.viewers).stream),
        Route("/review", looking(review_home)),
        Route("/review/{kind:str}", looking(review_page), methods=["GET"]),
        Route("/review/{kind:str}", acting(judge, "operator"), methods=["POST"]),
        Route("/category", looking(category_page)),
        Route("/thresholds/{category:str}", looking(thresholds_page, "engineer"), methods=["GET"]),
        Route("/thresholds/{category:str}", acting(calibrate_page, "engineer"), methods=["POST"]),
        Route("/thresholds/{category:str}/work", looking(work_page, "engineer")),
        Route("/search", looking(search_page)),
        Route("/search.csv", looking(search_csv)),
        Route("/lines", looking(lines_page), methods=["GET"]),
        Route("/lines/alarms", acting(acknowledge, "operator"), methods=["POST"]),
        Route("/lines/stops", acting(announce, "operator"), methods=["POST"]),
        Route("/report", looking(report_page)),
        Route("/report.pdf", looking(report_pdf)),
        Route("/models", looking(models_page)),
        Route("/models/{category:str}", looking(model_page), methods=["GET"]),
        Route("/models/{category:str}", acting(change_model, "engineer"), methods=["POST"]),
        Route("/models/{category:str}/comparison", looking(comparison_page)),
        Route("/trail", looking(trail_page, "engineer")),
        Route("/parts/{part:str}/case.zip", looking(case_zip)),
        Route("/parts/{part:str}", looking(part_page), methods=["GET"]),
        Route("/parts/{part:str}", acting(judge_part, "operator"), methods=["POST"]),
        Route("/pictures/{kind:str}/{part:str}", looking(picture_page)),
        Mount("/static", _Static(directory=_STATIC)),
        Route("/{rest:path}", looking(_missing)),
    ]
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(Guarded, secure=room.settings.console.secure),
            Middleware(GZipMiddleware, minimum_size=1024),
        ],
    )
    app.state.room = room
    return app


async def _home(_: Request) -> Response:
    return RedirectResponse("/live", 303)


def _missing(asked: Asked) -> Response:
    return asked.show("missing.html.j2", 404, what="There is no page of this address.")
