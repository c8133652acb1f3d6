"""Settings of the camera, its file, and how cameras spread over partitions."""

from pathlib import Path

import pytest
from kafka.partitioner import DefaultPartitioner
from typer.testing import CliRunner

import configs
from workers.camera.sending.spread import even_map, spread
from workers.camera.settings import CameraProcessSettings
from workers.cli import app
from workers.runtime.bus.partitioning import partition_of
from workers.runtime.errors import SettingsError
from workers.runtime.settings.process import flatten, read_yaml

FILE = Path(configs.__file__).parent / "camera.yaml"


def test_the_file_is_the_defaults() -> None:
    assert CameraProcessSettings.load(FILE).model_dump() == CameraProcessSettings().model_dump()


def test_the_file_documents_every_setting() -> None:
    def paths(node: object, prefix: str = "") -> set[str]:
        if not isinstance(node, dict) or not node:
            return {prefix[:-1]}
        return set().union(*(paths(value, f"{prefix}{key}.") for key, value in node.items()))

    known = {path for path, _ in flatten(CameraProcessSettings.load())}
    assert paths(read_yaml(FILE)) == {path for path in known if not path.startswith("redis.")}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"camera.ids": ["a", "a"]}, "given twice"),
        ({"camera.partitions": {"cam-9": 0}}, "cam-9 is no camera"),
        ({"camera.partitions": {"cam-1": -1}}, "counted from 0"),
        ({"camera.spool.max_bytes": 2**20}, "max_frame_bytes"),
        ({"camera.spool.when_full": "explode"}, "block"),
        ({"camera.synthetic.kinds": ["rust"]}, "allowed: scratch"),
        ({"camera.synthetic.width": 4096, "camera.synthetic.height": 4096}, "4096x4096"),
        ({"camera.rat": 1}, "Did you mean rate"),
        (
            {"camera.source": "rtsp://10.0.0.7/a", "camera.device.exposure_us": 9},
            r"device\.exposure_us: rtsp",
        ),
        ({"camera.source": "/dev/video0", "camera.device.trigger": "hardware"}, "trigger: /dev/v"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_allowed(overrides: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        CameraProcessSettings.load(None, overrides)


def test_ids_win_over_the_count() -> None:
    load = CameraProcessSettings.load
    assert load(None, {"camera.count": 2}).camera.camera_ids == ("cam-1", "cam-2")
    assert load(None, {"camera.ids": ["x"], "camera.count": 2}).camera.camera_ids == ("x",)


@pytest.mark.parametrize(
    ("key", "murmur2"),  # from Kafka's own UtilsTest
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)],
)
def test_the_hash_is_kafkas(key: bytes, murmur2: int) -> None:
    assert partition_of(key, 1000) == (murmur2 & 0x7FFFFFFF) % 1000


def test_the_spread_is_where_the_client_sends() -> None:
    class Cluster:
        def topics(self) -> set[str]:
            return {"frames"}

        def partitions_for_topic(self, topic: str) -> set[int]:
            return set(range(8))

        available_partitions_for_topic = partitions_for_topic

    names = [f"cam-{number}" for number in range(40)]
    found = spread(names, 8, {})
    for index, cameras in found.items():
        for name in cameras:
            key = name.encode()
            chosen = DefaultPartitioner().partition("frames", name, key, None, None, Cluster())
            assert chosen == index
    assert sum(map(len, found.values())) == 40


def test_the_explicit_map_wins_and_an_even_one_fills_all() -> None:
    assert spread(["a"], 2, {"a": 5})[5] == ["a"]
    names = [f"cam-{number}" for number in range(8)]
    assert all(len(cameras) == 1 for cameras in spread(names, 8, even_map(names, 8)).values())


def test_the_command_shows_the_spread_without_a_broker() -> None:
    flags = ["--set", "camera.count=8", "--set", "topics.partitions=8", "--show-spread"]
    result = CliRunner().invoke(app, ["camera", *flags])
    assert result.exit_code == 0
    assert "partitions get no frames" in result.stdout


@pytest.mark.parametrize(
    ("flags", "message"),
    [(["--rate", "-1"], "flags: camera.rate"), (["--set", "rate"], "expected key.path=value")],
)
def test_the_command_refuses_wrong_settings_with_their_path(flags: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["camera", *flags])
    assert result.exit_code == 78
    assert message in result.output
