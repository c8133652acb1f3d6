"""The whole demo, as a person starts it: real servers, real processes, one page at the end."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

pytestmark = [pytest.mark.timeout(600), pytest.mark.integration, pytest.mark.slow]


def start(out: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "workers.cli", "demo", "--headless", "--out", str(out)]
    return subprocess.Popen(
        [*command, *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"OMP_WAIT_POLICY": "PASSIVE"},
    )


def test_on_apache_kafka_every_frame_has_one_outcome_and_the_page_shows_it(tmp_path: Path) -> None:
    summary_file = tmp_path / "numbers.json"

    short = ["--broker", "kafka", "--frames", "24", "--rate", "4"]
    demo = start(tmp_path / "out", *short, "--summary", str(summary_file))
    text, _ = demo.communicate(timeout=240)

    assert demo.returncode == 0, text
    assert "exactly once" in text
    frames = json.loads(summary_file.read_text())["frames"]
    assert (frames["sent"], frames["inspected"], frames["rejected"]) == (26, 24, 2)
    assert (frames["lost"], frames["duplicated"]) == (0, 0)
    log = (tmp_path / "out/logs/worker-1.log").read_text()
    assert len((tmp_path / "out/outcomes.jsonl").read_text().splitlines()) == 26, log
    page = (tmp_path / "out/report.html").read_text()
    assert "Normal counterpart" in page
    assert "none lost" in page
    assert "undecodable" in page


def test_control_c_stops_everything_and_still_tells_what_was_seen(tmp_path: Path) -> None:
    demo = start(tmp_path / "out", "--frames", "1000", "--rate", "2", "--console")
    book = tmp_path / "out/outcomes.jsonl"
    deadline = time.monotonic() + 200
    try:
        while not (book.exists() and book.read_text()) and time.monotonic() < deadline:
            time.sleep(0.2)
        url = said_address(demo)
        live = asked(f"{url}/live", "cam-1", deadline)
        part = re.search(r"/pictures/frame/[^\"]+", live)
        assert part, live
        assert asked(url + part[0], "", deadline)
    finally:
        demo.send_signal(signal.SIGINT)
        text, _ = demo.communicate(timeout=120)

    assert demo.returncode == 130, text
    assert "Interrupted" in text
    assert (tmp_path / "out/report.html").exists()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=5)  # noqa: S310


def said_address(demo: subprocess.Popen[str]) -> str:
    """Where the demo says that its console is."""
    assert demo.stdout is not None
    for line in demo.stdout:
        found = re.search(r"Console: (http://\S+)", line)
        if found:
            return found[1]
    pytest.fail("no address was said")


def asked(url: str, wanted: str, deadline: float) -> str:
    """A page, once it shows what is wanted."""
    while True:
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310
            text = answer.read().decode("latin-1")
        if wanted in text:
            return str(text)
        assert time.monotonic() < deadline, text
        time.sleep(0.5)
