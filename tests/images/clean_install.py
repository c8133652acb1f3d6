"""Does what workers/Dockerfile does for a target, in an empty virtual environment, and starts it.

    make image-check                     # the target light: a minute
    make image-check ARGS="light cpu"    # cpu and cuda fetch some gigabytes

What it does not do: build a layer, run as user 10001, or open a GPU.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from entry_points import ENTRY_POINTS, ROOT, wrong


def extras(target: str) -> str:
    """What the Dockerfile installs for a target, e.g. `.[worker,s3]`."""
    text = (ROOT / "workers" / "Dockerfile").read_text()
    stage = re.search(rf"^FROM build AS build-{target}\n(.*?)^FROM ", text, re.M | re.S)
    wanted = re.search(r'"\.(\[[a-z0-9,]+\])"', stage[1]) if stage else None
    if wanted is None:
        raise SystemExit(f"{target} is no target of workers/Dockerfile: {', '.join(ENTRY_POINTS)}")
    return wanted[1]


def check(target: str, folder: Path) -> list[str]:
    """Install a target's packages into `folder`, and start what is started in its image."""
    wanted, python = extras(target), folder / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    constraints = ["--constraint", str(ROOT / "constraints.txt")]
    source = folder / "source"  # pip builds in place
    ignored = (ROOT / ".dockerignore").read_text().replace("**/", "").split()
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*ignored))
    subprocess.run([*pip, *constraints, f"{source}{wanted}"], check=True)
    work = folder / "work"
    work.mkdir()
    return wrong(ENTRY_POINTS[target], [str(folder / "venv" / "bin" / "stream-inspector")], work)


def main() -> None:
    """Check the targets of the command line."""
    failed = False
    for target in sys.argv[1:] or ["light"]:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            found = check(target, Path(folder))
        failed = failed or bool(found)
        count = len(ENTRY_POINTS[target])
        said = f"{target} {extras(target)}: {count - len(found)} of {count} entry points end"
        sys.stdout.write(f"{said} as they should ({time.monotonic() - began:.0f} s)\n")
        sys.stdout.writelines(f"  {each}\n" for each in found)
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
