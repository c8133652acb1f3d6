"""A control plane for all tests of a run, in layers: what no test asks for is not started."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.build import COMMAND, PROGRAMS, SERVER_SIDE, Built
from cluster.client import Client
from cluster.control_plane import ApiServer, Programs, start_controllers
from cluster.keda import start_keda

from workers.runtime.servers.apache_kafka import ApacheKafka

FIGURES = pytest.StashKey[dict[str, str]]()


def _cached(programs: tuple[str, ...]) -> Built:
    built = Built()
    if missing := built.missing(programs):
        pytest.skip(
            f"no API server here: {', '.join(missing)} not in {built.folder}; `{COMMAND}` builds "
            "it once (15 minutes on two idle cores)"
        )
    return built


@pytest.fixture(scope="session")
def built() -> Built:
    return _cached(SERVER_SIDE)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Logs and data of the control plane."""
    return tmp_path_factory.mktemp("control-plane")


@pytest.fixture(scope="session")
def programs(built: Built, folder: Path) -> Iterator[Programs]:
    with Programs(built, folder) as programs:
        yield programs


@pytest.fixture(scope="session")
def api(programs: Programs, built: Built, folder: Path) -> ApiServer:
    return ApiServer(programs, built, folder)


@pytest.fixture(scope="session")
def admin(api: ApiServer) -> Client:
    return api.admin


@pytest.fixture(scope="session")
def cluster(api: ApiServer, programs: Programs, folder: Path) -> Client:
    """With controllers, a scheduler, simulated nodes and KEDA."""
    built = _cached(tuple(PROGRAMS))
    start_controllers(programs, api, built, folder)
    start_keda(programs, api, built, folder)
    return api.admin


@pytest.fixture(scope="session")
def broker() -> Iterator[ApacheKafka]:
    with ApacheKafka() as broker:
        yield broker


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest) -> dict[str, str]:
    """What was measured; printed at the end."""
    return request.config.stash.setdefault(FIGURES, {})


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    measured = config.stash.get(FIGURES, {})
    if measured:
        terminalreporter.section("measured")
    for name, value in measured.items():
        terminalreporter.line(f"{name}: {value}")
