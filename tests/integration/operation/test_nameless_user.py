"""Commands run by a user that the system has no name for, without a home that can be written."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from schemas.documents import samples
from schemas.resolution import Resolution
from tests.integration.conftest import png
from workers.runtime.bus.kafka.connect import connect_producer, create_topics
from workers.runtime.bus.kafka.reading.snapshot import read_topic
from workers.runtime.bus.ports import Outgoing
from workers.runtime.servers.embedded import EmbeddedBroker
from workers.runtime.settings.process import KafkaSettings

pytestmark = pytest.mark.integration

UID = 12345
MODEL = Path(__file__).parents[3] / "configs" / "models" / "flange"
NAMES = {"HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "XDG_CACHE_HOME"}
HOMES = ({}, {"HOME": "/"}, {"HOME": "/nowhere"})  # unset, as on OpenShift, and missing


def run(
    folder: Path, *command: str, home: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Python as the nameless user; it may read what the test's own user may."""
    setpriv = shutil.which("setpriv")
    if setpriv is None or os.getuid():
        pytest.skip("needs root and setpriv (util-linux)")
    rights = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    environment = {k: v for k, v in os.environ.items() if k not in NAMES} | (home or {})
    return subprocess.run(
        [setpriv, f"--reuid={UID}", "--clear-groups", *rights, sys.executable, *command],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        cwd=folder,
        env=environment | {"PYTHONPATH": str(Path.cwd()), "PYTHONDONTWRITEBYTECODE": "1"},
    )


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaSettings]:
    """A broker with dead letters."""
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
        create_topics(settings, {"frames": 4, "dead-letters": 1, "resolutions": 1})
        letters = [
            samples.DEAD_LETTER.model_copy(update={"outcome_id": f"{number:032x}"})
            for number in range(len(HOMES) * 2)
        ]
        with closing(connect_producer(settings, "test")) as producer:
            producer.publish([Outgoing("dead-letters", each.encode()) for each in letters])
        yield settings


@pytest.mark.parametrize("number", range(len(HOMES)))
def test_dead_letters_are_settled_and_say_by_whom(
    kafka: KafkaSettings, tmp_path: Path, number: int
) -> None:
    for offset, command in enumerate(("replay", "discard")):
        name = f"{number * 2 + offset:032x}"
        servers = ("--bootstrap-servers", kafka.bootstrap_servers)
        done = run(
            tmp_path,
            *("-m", "workers.cli", "dlq", command, "--id", name, "--why", "test", *servers),
            home=HOMES[number],
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "1 dead letters" in done.stdout
        found = [Resolution.decode(r.headers, r.value) for r in read_topic(kafka, "resolutions")]
        [by] = [each.by for each in found if each.outcome_id == name]
        assert by.startswith(f"uid-{UID}@")


@pytest.mark.parametrize("home", HOMES)
def test_libraries_find_a_name(tmp_path: Path, home: dict[str, str]) -> None:
    code = (
        "import workers, getpass, json, pathlib\n"
        "print(json.dumps([getpass.getuser(), str(pathlib.Path.home())]))"
    )
    done = run(tmp_path, "-c", code, home=home)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0] == f"uid-{UID}"


def test_the_libraries_that_compute_find_it_too(tmp_path: Path) -> None:
    code = (
        "import workers, torch\n"
        "from torch._inductor.runtime.cache_dir_utils import default_cache_dir\n"
        "print(default_cache_dir())"
    )
    done = run(tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr
    assert f"uid-{UID}" in done.stdout


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that everybody may use; those of tests are their user's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@pytest.mark.slow
def test_a_model_inspects(shared: Path) -> None:
    (shared / "a.png").write_bytes(png())
    shutil.copytree(MODEL, shared / "model")
    command = ("inspect", str(shared / "a.png"), "--model", str(shared / "model"))
    engine = ("--engine", "torch", "--no-explain")
    done = run(shared, "-m", "workers.cli", *command, *engine, home={"HOME": "/nowhere"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a.png" in done.stdout
    assert {path.name for path in shared.iterdir()} == {"a.png", "model"}  # no folder named `~`
