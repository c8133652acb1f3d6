"""Logs carry the process's name on every thread; other libraries keep quiet."""

import json
import logging
import threading

import pytest
import structlog

from workers.runtime.settings import LogSettings
from workers.runtime.telemetry import setup_logging


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
