"""The notifier process: its settings, its file, and how it is put together."""

import threading
from pathlib import Path

import pytest
from rich.console import Console
from structlog.testing import capture_logs
from typer.testing import CliRunner

import configs
from schemas.alarm import Alarm
from schemas.documents import samples
from workers.cli import app
from workers.notifier.run import run_notifier, show_undelivered
from workers.notifier.settings import NotifierProcessSettings
from workers.notifier.undelivered import Undelivered
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.bus.ports import Consumer, Outgoing, Producer, RebalanceListener
from workers.runtime.errors import SettingsError
from workers.runtime.lifecycle import StopSignal
from workers.runtime.settings.process import flatten, read_yaml

FILE = Path(configs.__file__).parent / "notifier.yaml"
READ = ("outcomes", "defects", "dead-letters")


def settings(folder: Path, **delivery: object) -> NotifierProcessSettings:
    named = {f"notifier.delivery.{name}": value for name, value in delivery.items()}
    return NotifierProcessSettings.load(None, {"notifier.folder": folder / "state"} | named)


def run(broker: MemoryBroker, configured: NotifierProcessSettings, alarms: int) -> None:
    """Run until so many alarms are on the alarms topic."""
    stop = StopSignal()

    def consumer(listener: RebalanceListener) -> Consumer:
        return broker.consumer("notifiers", READ, listener)

    work = threading.Thread(
        target=run_notifier, args=(configured, consumer, broker.producer, stop), daemon=True
    )
    work.start()
    for _ in range(500):
        if len(broker.records("alarms")) >= alarms:
            break
        stop.wait(0.01)
    stop.set()
    work.join(5)
    assert not work.is_alive()


def test_an_alarm_goes_to_every_configured_channel(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broker = MemoryBroker()
    broker.producer().publish([Outgoing("defects", samples.DEFECT.encode())])
    run(broker, settings(tmp_path, file=tmp_path / "alarms.jsonl"), alarms=1)
    (record,) = broker.records("alarms")
    on_topic = Alarm.decode(record.headers, record.value)
    in_file = Alarm.model_validate_json((tmp_path / "alarms.jsonl").read_text())
    assert on_topic == in_file
    assert "WARNING defect" in capsys.readouterr().out
    assert sum(broker.committed("notifiers").values()) == 1


def test_a_damaged_memory_costs_the_memory_not_the_start(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "watch.json").write_text('{"positions": [["outcomes"]]}')
    broker = MemoryBroker()
    broker.producer().publish([Outgoing("defects", samples.DEFECT.encode())])
    with capture_logs() as logs:
        run(broker, settings(tmp_path, console=False), alarms=1)
    assert len(broker.records("alarms")) == 1
    assert "cameras are watched anew" in [entry["event"] for entry in logs]


@pytest.mark.parametrize(
    ("delivery", "message"),
    [
        ({"apprise_urls": ["nosuch://x"]}, "apprise_urls"),
        ({"console": False, "topic": False}, "alarms go nowhere"),
    ],
)
def test_unusable_channels_are_refused_before_the_broker_is_asked(
    tmp_path: Path, delivery: dict, message: str
) -> None:
    def never(*arguments: object) -> Producer:
        pytest.fail("asked the broker")

    with pytest.raises(SettingsError, match=message):
        run_notifier(settings(tmp_path, **delivery), never, never, StopSignal())  # type: ignore[arg-type]


def test_undelivered_alarms_are_listed(tmp_path: Path) -> None:
    configured = settings(tmp_path)
    Undelivered(tmp_path / "state" / "undelivered", "json-abc123", 2**20).keep(samples.ALARM)
    console = Console(record=True, width=200, quiet=True)
    assert show_undelivered(configured.notifier, console) == 1
    console = Console(width=200)
    with console.capture() as shown:
        show_undelivered(configured.notifier, console)
    assert "json-abc123" in shown.get()
    assert samples.ALARM.message in shown.get()


def test_undelivered_alarms_of_a_channel_that_is_gone_are_mentioned(tmp_path: Path) -> None:
    Undelivered(tmp_path / "state" / "undelivered", "json-abc123", 2**20).keep(samples.ALARM)
    with capture_logs() as logs:
        run(MemoryBroker(), settings(tmp_path, console=False), alarms=0)
    files = [entry["file"] for entry in logs if "not configured" in entry["event"]]
    assert [Path(file).name for file in files] == ["json-abc123.jsonl"]


def test_the_command_lists_the_undelivered_without_a_broker(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["notifier", "--folder", str(tmp_path), "--show-undelivered"])
    assert (result.exit_code, result.stdout.strip()) == (0, "every alarm was delivered")


def test_the_file_is_the_defaults() -> None:
    from_file = NotifierProcessSettings.load(FILE)
    assert from_file.model_dump() == NotifierProcessSettings().model_dump()


def test_the_file_documents_every_setting() -> None:
    def paths(node: object, prefix: str = "") -> set[str]:
        if not isinstance(node, dict) or not node:
            return {prefix[:-1]}
        return set().union(*(paths(value, f"{prefix}{key}.") for key, value in node.items()))

    known = {path for path, _ in flatten(NotifierProcessSettings())}
    assert paths(read_yaml(FILE)) == {path for path in known if not path.startswith("redis.")}


@pytest.mark.parametrize("given", ["json://host/secret", '["json://host/secret"]'])
def test_urls_come_from_the_environment_and_are_never_shown(
    given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAM_INSPECTOR_NOTIFIER__DELIVERY__APPRISE_URLS", given)
    loaded = NotifierProcessSettings.load()
    (url,) = loaded.notifier.delivery.apprise_urls
    assert url.get_secret_value() == "json://host/secret"
    assert "secret" not in str(dict(flatten(loaded))) + repr(loaded)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"notifier.rules.window_s": 0}, r"notifier\.rules\.window_s"),
        ({"notifier.watch.silent_after": 1}, "Did you mean silent_after_s"),
        ({"notifier.delivery.attempts": 0}, r"notifier\.delivery\.attempts"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(overrides: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        NotifierProcessSettings.load(None, overrides)
