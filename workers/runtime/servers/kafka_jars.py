"""Apache Kafka's jars: fetched once through Maven (`pom.xml` here) into a cache folder."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from workers.runtime.servers.process import ServerFailed

INSTALL = "apt-get install -y openjdk-17-jre-headless maven"
_POM = Path(__file__).with_name("pom.xml")
_FETCH_S = 600.0


class Jars:
    """What the Java virtual machine needs to run Kafka."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def archive(self) -> Path:
        """Loaded classes as a file (class data sharing): less than half the time to start."""
        return self._folder / "classes.jsa"

    @property
    def _new_archive(self) -> Path:
        return self._folder / f"classes-{os.getpid()}.jsa"

    @property
    def archiving(self) -> tuple[str, ...]:
        """Options for a server that writes the archive when it ends in order; none if it exists."""
        if self.archive.exists():
            return ()
        return (f"-XX:ArchiveClassesAtExit={self._new_archive}",)

    def keep_archive(self) -> None:
        """Take over what a server with `archiving` has written."""
        if self._new_archive.exists():
            self._new_archive.rename(self.archive)

    def java(self, main: str, *arguments: str, options: tuple[str, ...] = ()) -> list[str]:
        """The command that runs a main class on small memory."""
        sharing = [f"-XX:SharedArchiveFile={self.archive}"] if self.archive.exists() else []
        small = ["-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        log = [f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.xml').as_uri()}"]
        path = ["-cp", f"{self._folder / 'lib'}/*"]
        return [_tool("java"), *small, *sharing, *options, *log, *path, main, *arguments]


def kafka_jars() -> Jars:
    """Fetch the jars unless they are there. Raises ServerFailed with what to install."""
    _tool("java")
    folder = jars_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs at once: one fetches, one waits
        if not (folder / "lib").is_dir():
            _fetch(folder)
    return Jars(folder)


def jars_folder() -> Path:
    """One folder per content of the pom: another version of Kafka gets another one."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256(_POM.read_bytes()).hexdigest()[:12]
    return base / "stream-inspector" / f"apache-kafka-{digest}"


def _fetch(folder: Path) -> None:
    partial = folder / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    goal = [
        "dependency:copy-dependencies",
        "-DincludeScope=runtime",
        f"-DoutputDirectory={partial}",
    ]
    command = [_tool("mvn"), "-B", "-q", "-f", str(_POM), *goal]
    done = subprocess.run(  # noqa: S603  (our own command)
        command, capture_output=True, text=True, timeout=_FETCH_S, check=False
    )
    if done.returncode != 0:
        raise ServerFailed(
            f"Maven could not fetch Apache Kafka (status {done.returncode}):\n"
            f"{(done.stdout + done.stderr)[-2000:]}"
        )
    partial.rename(folder / "lib")  # whole, or not at all


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise ServerFailed(f"Apache Kafka needs `{name}`, which is not installed: run {INSTALL}")
    return path
