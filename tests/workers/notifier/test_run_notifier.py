"""The notifier process: its settings, its file, and how it is put together."""

import threading
from pathlib import Path

import pytest
from rich.console import Console
from structlog.testing import capture_logs
from typer.testing import CliRunner
from webhook import Hook

import configs
from schemas.alarm import Alarm
from schemas.documents import samples
from workers.cli import app
from workers.notifier.delivering.make import make_channels
from workers.notifier.delivering.outbox import Outbox
from workers.notifier.delivering.show import show_undelivered
from workers.notifier.run import run_notifier
from workers.notifier.settings import NotifierProcessSettings
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


def test_what_waits_and_what_was_refused_is_listed(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    box = Outbox(folder, ["json-abc123", "mail"], 2**20)
    odd = samples.ALARM.model_copy(update={"message": "[red]odd\x1b[2J"})
    box.put([(odd, ["json-abc123", "mail"])])
    (kept,) = box.queues["mail"].next(1, one_cause=True)
    box.set_aside("mail", kept, "HTTP 413")
    console = Console(width=200)
    with console.capture() as shown:
        assert show_undelivered(folder, console) == 2
    assert "json-abc123" in shown.get()
    assert "refused  2026-03-14T09:26:53Z  warning   HTTP 413" in shown.get()
    assert shown.get().count(r"[red]odd\x1b[2J") == 2


def test_undelivered_alarms_of_a_channel_that_is_gone_are_mentioned(tmp_path: Path) -> None:
    Outbox(tmp_path / "state", ["json-abc123"], 2**20).put([(samples.ALARM, ["json-abc123"])])
    with capture_logs() as logs:
        run(MemoryBroker(), settings(tmp_path, console=False), alarms=0)
    gone = [entry["channel"] for entry in logs if "not there" in entry["event"]]
    assert gone == ["json-abc123"]


def test_named_channels_have_urls_in_files_and_rules(tmp_path: Path, hook: Hook) -> None:
    (tmp_path / "url").write_text(hook.url + "\n")
    rules = {"cameras": ["other-*"], "url": hook.url}
    channels = {"night": {"url_file": str(tmp_path / "url")}, "day": rules}
    broker = MemoryBroker()
    broker.producer().publish([Outgoing("defects", samples.DEFECT.encode())])
    with capture_logs() as logs:
        run(broker, settings(tmp_path, console=False, channels=channels), alarms=1)
    (said,) = [entry for entry in logs if entry["event"] == "notifier done"]
    assert said["delivered"] == {"night": 1, "day": 0, "topic": 1}
    assert len(hook.accepted) == 1


@pytest.mark.parametrize(
    "channel",
    [
        "json://u:s3cret@h/t0k3n",
        ["json://u/s3cret/t0k3n"],
        {"url": ["json://u/s3cret"]},
        {"ulr": "json://u/s3cret"},
        {"url": "json://s3cret/", "url_file": "x"},
        {},
    ],
)
def test_a_wrong_channel_is_refused_without_showing_its_url(channel: object) -> None:
    with pytest.raises(SettingsError, match=r"notifier\.delivery\.channels\.m") as caught:
        NotifierProcessSettings.load(None, {"notifier.delivery.channels": {"m": channel}})
    assert "s3cret" not in str(caught.value)
    assert "t0k3n" not in str(caught.value)


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        (
            {"m": {"url_file": "/nowhere/url"}},
            r"channels\.m\.url_file: /nowhere/url cannot",
        ),
        ({"m": {"url": "nosuch://s3cret"}}, r"channels\.m: m is no URL that Apprise knows"),
        ({"topic": {"url": "json://h/"}}, r"channels\.topic: .*choose another name"),
        ({"m": {"url": " "}}, r"channels\.m: the URL is empty"),
    ],
)
def test_an_unusable_channel_names_its_setting(
    tmp_path: Path, channels: dict, message: str
) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        make_channels(settings(tmp_path, channels=channels).notifier.delivery)
    assert "s3cret" not in str(caught.value)


def test_config_show_masks_the_urls_of_channels(tmp_path: Path) -> None:
    file = tmp_path / "notifier.yaml"
    file.write_text(
        "notifier: {delivery: {channels: {m: {url: 'json://s3cret/', cameras: [a-*]}}}}"
    )
    result = CliRunner().invoke(app, ["config", "show", "notifier", "--config", str(file)])
    assert result.exit_code == 0
    assert "s3cret" not in result.stdout
    assert "a-*" in result.stdout


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
