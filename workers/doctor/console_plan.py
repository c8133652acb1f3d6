"""What only a console has: people, a history and its pictures. Needs the extra `console`."""

import contextlib
from functools import partial
from pathlib import Path

from sqlalchemy import make_url

from workers.console.history.looking import Held, look
from workers.console.settings import ConsoleProcessSettings, ConsoleSettings
from workers.doctor.checks import console as console_checks
from workers.doctor.checks.settings import check_folder
from workers.doctor.desks import broker as broker_desk
from workers.doctor.findings import Check, Finding, Status, ok, warning
from workers.doctor.needs import CONSOLE_READS
from workers.runtime.bus.kafka.admin.survey import Survey, TopicFacts
from workers.runtime.secrets import mask_url
from workers.runtime.settings.base import read_secret
from workers.runtime.store.files import open_blobs

_HISTORY = "history: database"
_REACH = "start it, name the right one, let this user in, or open the network between"


def console_plan(settings: ConsoleProcessSettings, asked: Survey) -> list[Check]:
    """Nothing is written: a history that is not there is not made."""
    own = settings.console
    topics = [str(getattr(settings.topics, key)) for key in CONSOLE_READS]
    return [
        Check("settings", "access", partial(console_checks.judge_access, own)),
        Check(
            "history", "database", partial(_database, own), None, 20.0, _REACH, "console.database"
        ),
        *(
            Check(
                "history",
                topic,
                partial(_read, own, topic, asked),
                (_HISTORY, broker_desk.REACHABLE),
            )
            for topic in topics
        ),
        Check(
            "stores", "evidence", partial(_evidence, settings.evidence.url), setting="evidence.url"
        ),
    ]


def _held(console: ConsoleSettings) -> Held:
    password = read_secret(
        console.database_password, console.database_password_file, "console.database_password"
    )
    return look(console.database, password)


def _database(console: ConsoleSettings) -> list[Finding]:
    held, url = _held(console), make_url(console.database)
    if url.get_backend_name() != "sqlite" or not url.database:
        return console_checks.judge_history(held, mask_url(console.database))
    (folder,) = check_folder(Path(url.database).parent, "console.database")
    found = console_checks.judge_history(held, url.database)
    return found if folder.status is Status.OK else [folder]


def _read(console: ConsoleSettings, topic: str, asked: Survey) -> list[Finding]:
    if not isinstance(asked.topic(topic), TopicFacts):
        return [ok("no such topic yet")]
    return console_checks.judge_read(
        topic, _held(console).positions.get(topic), asked.written(topic)
    )


def _evidence(url: str | None) -> list[Finding]:
    """A store that can be asked, whatever is in it."""
    if url is None:
        do = "name the store that explainers write to"
        return [warning("no store is set: defects are shown without pictures", do, "evidence.url")]
    with contextlib.suppress(FileNotFoundError):
        open_blobs(url).read("doctor.txt")
    return [ok(f"{mask_url(url)} can be asked")]
