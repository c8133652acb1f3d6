"""Contexts travel as W3C traceparent; what is not traced costs nothing and imports nothing."""

import json
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest

from schemas.frame import new_frame_id
from workers.runtime.errors import SettingsError
from workers.runtime.settings.process import ProcessSettings, TracingSettings
from workers.runtime.telemetry.spans import Context, Span, child, parse
from workers.runtime.telemetry.tracing import Tracing, open_tracing

SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_context_survives_its_header() -> None:
    context = parse(SAMPLED)
    assert context == Context("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", True)
    assert context.header == SAMPLED
    assert parse(SAMPLED[:-1] + "0") == Context(context.trace_id, context.span_id, False)
    assert parse(None) is None


@pytest.mark.parametrize(("flags", "sampled"), [("03", True), ("02", False), ("ff", True)])
def test_other_flags_are_not_taken_for_sampled(flags: str, sampled: bool) -> None:
    context = parse(SAMPLED[:-2] + flags)
    assert context is not None
    assert context.sampled is sampled


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_about_the_stated_share_is_sampled_and_the_answer_stays(share: float) -> None:
    tracing = Tracing(lambda span: None, share)
    ids = [new_frame_id().replace("-", "") for _ in range(4000)]  # most of their bits are the time
    kept = [trace_id for trace_id in ids if tracing.samples(trace_id)]
    assert len(kept) / len(ids) == pytest.approx(share, abs=0.03)
    assert all(tracing.samples(trace_id) for trace_id in kept)
    assert tracing.begin(ids[0]).sampled == tracing.samples(ids[0])


def test_children_are_told_apart() -> None:
    parent = parse(SAMPLED)
    assert parent is not None
    one, other = child(parent, "decode"), child(parent, "infer")
    assert one.span_id != other.span_id != parent.span_id
    assert (one.trace_id, one.sampled) == (parent.trace_id, True)
    assert child(parent, "decode") == one


@pytest.mark.integration
def test_without_an_endpoint_nothing_is_traced_or_imported() -> None:
    with open_tracing(TracingSettings(), "worker", "w") as tracing:
        assert tracing is None
    code = (
        "import sys, workers.inspector.loop, workers.camera.run, workers.notifier.run;"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.integration
def test_a_missing_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from workers.runtime.settings.process import TracingSettings\n"
        "from workers.runtime.telemetry.tracing import open_tracing\n"
        "with open_tracing(TracingSettings(endpoint='http://127.0.0.1:9'), 'worker', 'w'): pass"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "install the extra `tracing`" in done.stderr


def test_an_endpoint_that_is_no_url_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"tracing\.endpoint"):
        ProcessSettings.load(None, {"tracing.endpoint": "collector:4317"})


@pytest.mark.integration
def test_a_collector_that_is_away_is_told_in_the_log() -> None:
    code = (
        "from datetime import UTC, datetime\n"
        "from workers.runtime.settings.process import LogSettings, TracingSettings\n"
        "from workers.runtime.telemetry.logs import setup_logging\n"
        "from workers.runtime.telemetry.spans import Span\n"
        "from workers.runtime.telemetry.tracing import open_tracing\n"
        "setup_logging(LogSettings(format='json'), 'worker')\n"
        "away = TracingSettings(endpoint='http://127.0.0.1:9/v1/traces', sample_share=1)\n"
        "now = datetime.now(UTC)\n"
        "with open_tracing(away, 'worker', 'w') as tracing:\n"
        "    tracing.tell(Span('inspect', tracing.begin('a' * 32), now, now))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    told = [json.loads(line) for line in done.stderr.splitlines()]
    assert any(line["logger"].startswith("opentelemetry.exporter") for line in told), told


@pytest.mark.slow
def test_a_collector_that_never_answers_holds_up_no_end() -> None:
    pytest.importorskip("opentelemetry")
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(5)
        endpoint = f"http://127.0.0.1:{deaf.getsockname()[1]}/v1/traces"
        settings = TracingSettings(endpoint=endpoint, sample_share=1.0)
        with open_tracing(settings, "camera", "here") as tracing:
            assert tracing is not None
            for number in range(3000):
                context, now = tracing.begin(f"{number:032x}"), datetime.now(UTC)
                tracing.tell(Span("camera", context, now, now))
            begun = time.monotonic()
        assert time.monotonic() - begun < 15  # one timeout, not one for each batch
