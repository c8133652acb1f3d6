"""helm and kubectl against one API server."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cluster.build import Built

CHART = Path(__file__).parents[2] / "helm" / "stream-inspector"
SUPPORTED = sorted((CHART / "ci").glob("*-values.yaml"))
RELEASE = "line"
_PATIENCE_S = 60.0


def name_of(values: Path) -> str:
    """A supported configuration's."""
    return values.stem.removesuffix("-values")


def condition(thing: dict[str, Any], kind: str) -> str | None:
    """The status of one of its conditions: True, False, Unknown, or None if it has none."""
    found = thing.get("status", {}).get("conditions") or []
    return next((each["status"] for each in found if each["type"] == kind), None)


class Refused(Exception):
    """What helm or kubectl said when it failed."""


class Client:
    """An administrator, of one namespace or of the cluster."""

    def __init__(self, built: Built, kubeconfig: Path, namespace: str | None = None) -> None:
        self._built, self._kubeconfig, self.namespace = built, kubeconfig, namespace

    def within(self, namespace: str) -> "Client":
        """The same in a new namespace, which admits pods of the restricted standard only."""
        modes = ("enforce", "warn")
        self.apply(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {
                    "name": namespace,
                    "labels": {f"pod-security.kubernetes.io/{x}": "restricted" for x in modes},
                },
            },
            {  # without a controller manager nobody makes it, and no pod is admitted
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": "default", "namespace": namespace},
            },
        )
        return Client(self._built, self._kubeconfig, namespace)

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """Its standard output. Raises Refused."""
        return self._run("kubectl", *self._where, *arguments, given=given)

    def helm(self, *arguments: str) -> str:
        """Its standard output. Raises Refused."""
        return self._run("helm", *self._where, *arguments)

    @property
    def _where(self) -> list[str]:
        return ["--namespace", self.namespace] if self.namespace else []

    def apply(self, *objects: dict[str, Any]) -> None:
        """Server-side apply, strictly validated."""
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.kubectl("apply", "--server-side", "--validate=strict", "-f", "-", given=listed)

    def get(self, *arguments: str) -> Any:
        """An object, or a list of objects, as kubectl gets it."""
        found = json.loads(self.kubectl("get", *arguments, "--output=json"))
        return found["items"] if found["kind"].endswith("List") else found

    def provide(self, values: Path) -> None:
        """What a values file says that the namespace must have: `# needs: secret/a ...`."""
        for line in values.read_text().splitlines():
            if line.startswith("# needs: "):
                needed = (each.split("/") for each in line.removeprefix("# needs: ").split())
                self.apply(*(_PROVIDED[kind](name) for kind, name in needed))

    def images(self) -> list[str]:
        """Of everything that goes on running."""
        workloads = self.get("deployments,statefulsets")
        return [each["spec"]["template"]["spec"]["containers"][0]["image"] for each in workloads]

    def until(self, condition: Callable[[], object], seconds: float = _PATIENCE_S) -> float:
        """Wait until something is true. Returns the seconds that it took. Raises Refused."""
        start = time.monotonic()
        while not condition():
            if time.monotonic() - start > seconds:
                raise Refused(f"not in {seconds:.0f} s:\n{self.state()}")
            time.sleep(0.2)
        return time.monotonic() - start

    def state(self) -> str:
        """Workloads and events, for a message."""
        kinds = "pods,deployments,statefulsets,jobs,hpa,pdb"
        return self.kubectl("get", kinds) + self.kubectl("get", "events")

    def _run(self, tool: str, *arguments: str, given: str | None = None) -> str:
        done = subprocess.run(
            [self._built[tool], *arguments],
            input=given,
            env=os.environ
            | {"KUBECONFIG": str(self._kubeconfig), "HOME": str(self._kubeconfig.parent)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Refused(f"{tool} {' '.join(arguments)}\n{done.stderr}")
        return done.stdout


def _claim(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }


def _secret(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}


_PROVIDED = {"persistentvolumeclaim": _claim, "secret": _secret}
