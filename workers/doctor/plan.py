"""Which checks a process has."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from workers.camera.settings import SYNTHETIC, CameraProcessSettings
from workers.camera.sources import list_files
from workers.console.settings import ConsoleProcessSettings
from workers.doctor.checks import camera as device_checks
from workers.doctor.checks import clocks as clock_checks
from workers.doctor.checks import gate as gate_checks
from workers.doctor.checks import settings as settings_checks
from workers.doctor.desks import broker as broker_desk
from workers.doctor.desks.broker import BrokerDesk
from workers.doctor.findings import Check, Finding, ok
from workers.explainer.settings import ExplainerSettings
from workers.gate.settings import GateProcessSettings, GateSettings
from workers.inspector.settings import InspectorSettings
from workers.notifier.settings import NotifierProcessSettings
from workers.runtime.bus.kafka.admin.survey import survey
from workers.runtime.categories import Category
from workers.runtime.settings.process import ProcessSettings


@contextmanager
def planned(
    settings: ProcessSettings,
    file: Path | None,
    categories: Mapping[str, Category],
    cameras: Sequence[str] = (),
    *,
    quick: bool = False,
) -> Iterator[list[Check]]:
    """All checks of the process with these settings; connections are closed at the end."""
    with survey(settings.kafka) as asked:
        broker = BrokerDesk(asked, settings, cameras)
        checks = settings_plan(settings, file, categories) + broker.checks()
        clocks = clock_plan(broker)
        if isinstance(settings, InspectorSettings):
            from workers.doctor.worker_plan import worker_plan

            own, clock = worker_plan(settings, categories, quick=quick)
            checks, clocks = checks + own, [*clocks, clock]
        if isinstance(settings, ExplainerSettings):
            from workers.doctor.explainer_plan import explainer_plan

            checks = checks + explainer_plan(settings, asked)
        if isinstance(settings, ConsoleProcessSettings):
            from workers.doctor.console_plan import console_plan

            checks = checks + console_plan(settings, asked)
        if isinstance(settings, CameraProcessSettings) and settings.camera.real:
            run = partial(device_checks.check_device_clock, settings.camera)
            clocks.append(Check("clocks", "device", run, device_checks.SOURCE, 30.0))
        yield checks + clocks


def settings_plan(
    settings: ProcessSettings, file: Path | None, categories: Mapping[str, Category]
) -> list[Check]:
    """Files, secrets and folders."""
    found = [
        Check("settings", "read", partial(settings_checks.check_read, settings, file)),
        Check("settings", "files", partial(settings_checks.check_files, settings)),
        Check("settings", "secrets", partial(settings_checks.check_secrets, settings, file)),
    ]
    if isinstance(settings, InspectorSettings) and categories:
        run = partial(settings_checks.check_masks, categories)
        found.append(Check("settings", "categories", run))
    if isinstance(settings, NotifierProcessSettings):
        folder = partial(settings_checks.check_folder, settings.notifier.folder, "notifier.folder")
        found.append(Check("settings", "folder", folder))
        found.append(Check("settings", "channels", partial(_channels, settings)))
    if isinstance(settings, GateProcessSettings):
        found += gate_plan(settings.gate)
    if isinstance(settings, CameraProcessSettings):
        found.append(Check("settings", "source", partial(_source, settings)))
    return found


def gate_plan(gate: GateSettings) -> list[Check]:
    """The gate's folder, cameras and channels; the plant is not told anything."""
    folder = partial(settings_checks.check_folder, gate.folder, "gate.folder")
    return [
        Check("settings", "folder", folder),
        Check("settings", "cameras", partial(gate_checks.check_cameras, gate)),
        Check("settings", "channels", partial(gate_checks.check_channels, gate)),
    ]


def clock_plan(broker: BrokerDesk) -> list[Check]:
    """This machine's clock, and those of the cameras."""
    kernel = Check(
        "clocks", "this machine", lambda: clock_checks.judge_kernel(clock_checks.kernel_state())
    )
    return [kernel, Check("clocks", "cameras", broker.newest_frame, broker_desk.REACHABLE)]


def _channels(settings: NotifierProcessSettings) -> list[Finding]:
    from workers.notifier.delivering.make import apprise_channels

    found = apprise_channels(settings.notifier.delivery)  # raises when Apprise does not know one
    return [ok(f"{len(found)} Apprise URLs understood; nothing is sent")]


def _source(settings: CameraProcessSettings) -> list[Finding]:
    source = settings.camera.source
    if source == SYNTHETIC:
        return [ok("rendered pictures")]
    if settings.camera.live:
        return device_checks.check_source(settings.camera)
    listing = list_files(source)
    return [ok(f"{len(listing.files)} images, {len(listing.skipped)} other files are skipped")]
