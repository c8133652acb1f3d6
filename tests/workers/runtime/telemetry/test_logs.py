"""Logs carry the process's name on every thread; other libraries keep quiet."""

import json
import logging
import threading
from pathlib import Path

import pytest
import structlog

from workers.runtime.settings.process import LogSettings
from workers.runtime.telemetry.lines import LINES
from workers.runtime.telemetry.logs import setup_logging


@pytest.fixture(autouse=True)
def _restore() -> object:
    root = logging.getLogger()
    kept = (list(root.handlers), root.level)
    yield
    structlog.reset_defaults()
    root.handlers, root.level = kept


def test_json_lines_name_the_process_on_every_thread(capfd: pytest.CaptureFixture[str]) -> None:
    setup_logging(LogSettings(format="json"), "worker")
    thread = threading.Thread(target=lambda: structlog.get_logger().info("hello", n=1))
    thread.start()
    thread.join()
    logging.getLogger("some.library").warning("careful")
    logging.getLogger("kafka.net").error("noise")
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [(line["event"], line["process"]) for line in lines] == [
        ("hello", "worker"),
        ("careful", "worker"),
    ]


def test_requests_that_hold_passwords_are_not_shown_even_at_debug(
    capfd: pytest.CaptureFixture[str],
) -> None:
    setup_logging(LogSettings(level="debug"), "worker")
    logging.getLogger("kafka.protocol.parser").debug("Send: secret")
    logging.getLogger("kafka.net.connection").debug("Request: secret")
    logging.getLogger("kafka.coordinator").debug("shown")
    said = capfd.readouterr().err
    assert "secret" not in said
    assert "shown" in said


def test_the_level_is_kept(capfd: pytest.CaptureFixture[str]) -> None:
    setup_logging(LogSettings(level="warning"), "worker")
    structlog.get_logger().info("too quiet")
    structlog.get_logger().warning("loud")
    err = capfd.readouterr().err
    assert "loud" in err
    assert "too quiet" not in err


def test_modules_have_levels_of_their_own(capfd: pytest.CaptureFixture[str]) -> None:
    levels = {"workers.inspector": "debug", "workers.inspector.loop": "error", "library": "info"}
    setup_logging(LogSettings(format="json", level="warning", levels=levels), "worker")
    for module in (
        "workers.inspector.pipeline.admit",
        "workers.inspector.loop",
        "workers.inspectors",
    ):
        for level in ("debug", "warning", "error"):
            structlog.get_logger(module).log(getattr(logging, level.upper()), level)
    for name in ("library.part", "other"):
        logging.getLogger(name).info("told")
    said = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [(line["logger"], line["event"]) for line in said] == [
        ("workers.inspector.pipeline.admit", "debug"),
        ("workers.inspector.pipeline.admit", "warning"),
        ("workers.inspector.pipeline.admit", "error"),
        ("workers.inspector.loop", "error"),
        ("workers.inspectors", "warning"),
        ("workers.inspectors", "error"),
        ("library.part", "told"),
    ]


def test_the_ids_of_the_process_are_on_each_line(capfd: pytest.CaptureFixture[str]) -> None:
    setup_logging(LogSettings(format="json"), "worker", {"worker": "w-1"})
    structlog.get_logger("a").info("ours")
    logging.getLogger("library").warning("theirs")
    said = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [(line["event"], line["worker"]) for line in said] == [
        ("ours", "w-1"),
        ("theirs", "w-1"),
    ]


@pytest.mark.parametrize("levels", [{"kafka": "debug"}, {"kafka.net": "info"}])
def test_passwords_are_not_shown_by_a_level_of_the_client_either(
    levels: dict, capfd: pytest.CaptureFixture[str]
) -> None:
    setup_logging(LogSettings(level="info", levels=levels), "worker")
    logging.getLogger("kafka.protocol.parser").debug("Send: secret")
    logging.getLogger("kafka.net.connection").debug("Request: secret")
    assert "secret" not in capfd.readouterr().err


@pytest.mark.parametrize("name", ["kafka.net", "kafka.protocol.parser"])
def test_a_level_that_would_print_passwords_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="prints passwords at debug"):
        LogSettings(levels={name: "debug"})


def test_the_client_stays_quiet_while_a_part_of_it_is_not_asked_for(
    capfd: pytest.CaptureFixture[str],
) -> None:
    setup_logging(LogSettings(), "worker")
    logging.getLogger("kafka.net.connection").error("noise")
    assert capfd.readouterr().err == ""


def test_every_module_says_its_name() -> None:
    """Else `log.levels` does not reach it."""
    nameless = [
        str(path)
        for path in (Path(__file__).parents[4] / "workers").rglob("*.py")
        if "structlog.get_logger()" in path.read_text()
    ]
    assert nameless == []


class _Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError("cannot be shown")

    __str__ = __repr__


@pytest.mark.parametrize("format", ["json", "console"])
def test_a_line_that_cannot_be_made_is_dropped_and_told(
    format: str, capfd: pytest.CaptureFixture[str]
) -> None:
    setup_logging(LogSettings(format=format), "worker")
    before = LINES.dropped
    log = structlog.get_logger("ours")
    log.info("value", it=_Unspeakable())
    log.info("%d parts", "no number")
    log.exception(_Unspeakable())
    logging.getLogger("library").warning("%d parts", "no number")
    logging.getLogger("library").warning(_Unspeakable())
    assert LINES.dropped - before == 5
    log.info("fine")
    said = capfd.readouterr().err
    assert "fine" in said
    assert said.count("log lines were lost") == 1
    assert "Traceback" not in said


@pytest.mark.parametrize("format", ["json", "console"])
def test_what_others_wrote_does_not_drive_the_terminal(
    format: str, capfd: pytest.CaptureFixture[str]
) -> None:
    nasty = "\x1b[2J\x9b1m\u202eevil\r\nforged line [bold]"
    setup_logging(LogSettings(format=format), "worker")
    structlog.get_logger("ours").warning("a " + nasty, camera=nasty, **{f"name{nasty}": [nasty]})
    logging.getLogger("library").warning("of %s", nasty)
    try:
        int(nasty)
    except ValueError:
        structlog.get_logger("ours").exception("failed")
    said = capfd.readouterr().err
    assert all(line.isprintable() for line in said.split("\n"))
    assert not any(line.startswith("forged line") for line in said.splitlines())


@pytest.mark.parametrize("format", ["json", "console"])
def test_a_line_does_not_grow_with_what_a_record_says(
    format: str, capfd: pytest.CaptureFixture[str]
) -> None:
    setup_logging(LogSettings(format=format), "worker")
    structlog.get_logger("ours").warning("x" * 10**6, error="\x01" * 10**6)
    assert len(capfd.readouterr().err) < 50_000
