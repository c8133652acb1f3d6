"""How the offline commands begin and end: settings, one clear line for an error, an exit code."""

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from stream_inspector.errors import InspectorError
from workers.offline.settings import TrainerProcessSettings
from workers.runtime.errors import Fatal, SettingsError
from workers.runtime.host.terminal import complain
from workers.runtime.lifecycle import StopSignal, run_process
from workers.runtime.settings.process import LogSettings, parse_assignments

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}


class Unusable(Fatal):
    """The images or the model are not what the command needs."""

    exit_code = 65  # EX_DATAERR


class NotWritten(Fatal):
    """A disk takes no more of what the command writes."""

    exit_code = 74  # EX_IOERR


class Interrupted(Fatal):
    """Somebody pressed Ctrl-C."""

    exit_code = 130


def load_settings(
    config: Path | None, assignments: Sequence[str] | None, flags: Mapping[str, Any]
) -> TrainerProcessSettings:
    """Flags over --set over environment over file. Ends the process when something is wrong."""
    given = {path: value for path, value in flags.items() if value is not None}
    try:
        overrides = parse_assignments(assignments or []) | given
        return TrainerProcessSettings.load(config, overrides)
    except SettingsError as error:
        complain(error)
        raise typer.Exit(SettingsError.exit_code) from None


def stated(assignments: Sequence[str] | None, flags: Mapping[str, Any]) -> frozenset[str]:
    """The settings that this command line states itself."""
    given = {path for path, value in flags.items() if value is not None}
    return frozenset(given | set(parse_assignments(assignments or [])))


def run_command(
    name: str, settings: TrainerProcessSettings, body: Callable[[StopSignal], None]
) -> None:
    """Run `body` and end the process with its exit code, if that is an error's."""
    from workers.offline.noted import telling
    from workers.runtime.decoders.current import decoding_by

    def decoding(stop: StopSignal) -> None:
        with decoding_by(settings.images.rules(settings.kafka.max_frame_bytes)), telling():
            body(stop)

    code = run_guarded(name, settings.log, decoding)
    if code:
        raise typer.Exit(code)


def run_guarded(name: str, log: LogSettings, body: Callable[[StopSignal], None]) -> int:
    """Run `body`; a wrong folder, image or model ends with its message and status 65."""

    def guarded(stop: StopSignal) -> None:
        try:
            body(stop)
        except InspectorError as error:
            raise Unusable(str(error)) from error
        except OSError as error:  # a folder that may not be read, a disk that is full
            where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
            if error.errno in _NO_ROOM:
                raise NotWritten(
                    f"{where}{error.strerror}; what was written before stays"
                ) from error
            if error.filename is None:
                raise
            raise Unusable(f"{where}{error.strerror}") from error

    return run_process(name, log, guarded)
