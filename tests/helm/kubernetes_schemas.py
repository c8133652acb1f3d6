"""Strict schemas of every object that the chart makes: an unknown kind is an error.

Built-in kinds come from the package kubernetes-validate, the others (of KEDA and the Prometheus
operator) from crds.yaml beside this file, which knows only the fields that the chart uses.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate.utils as built_in
import yaml
from referencing import Registry, Resource

QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?([KMGT]i|[kMGT]|m)?")
_QUANTITIES = ("requests", "limits")


@cache
def _definitions(version: str) -> Any:
    folder = f"kubernetes-json-schema/v{version}-local-strict"
    return built_in.schema_contents(f"{folder}/_definitions.json", version)


@cache
def _crds() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "crds.yaml").read_text())
    return found


@cache
def validator(kind: str, api_version: str, version: str) -> Any:
    """Of a kind, as Kubernetes `version` knows it. Raises LookupError for one that nobody knows."""
    own = _crds().get(f"{api_version}/{kind}")
    if own is not None:
        return jsonschema.Draft202012Validator(own)
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    folder = f"kubernetes-json-schema/v{version}-local-strict"
    try:
        schema = built_in.schema_contents(f"{folder}/{kind.lower()}-{group}.json", version)
    except FileNotFoundError:
        raise LookupError(f"no schema for {api_version} {kind}") from None
    registry = Resource.from_contents(_definitions(version)) @ (
        Resource.from_contents(schema) @ Registry()
    )
    return jsonschema.Draft202012Validator(schema, registry=registry)


def faults(document: Any, version: str) -> list[str]:
    """What is wrong with an object: path and message of each fault."""
    check = validator(document["kind"], document["apiVersion"], version)
    found = [f"{each.json_path}: {each.message}" for each in check.iter_errors(document)]
    return found + [
        f"{path}: {value!r} is no quantity"
        for path, value in _quantities(document)
        if not QUANTITY.fullmatch(str(value))
    ]


def _quantities(node: Any, path: str = "$") -> Iterator[tuple[str, Any]]:
    """What the schemas only know as text."""
    if isinstance(node, list):
        for index, each in enumerate(node):
            yield from _quantities(each, f"{path}[{index}]")
    if isinstance(node, dict):
        for key, value in node.items():
            inside = f"{path}.{key}"
            if key in _QUANTITIES and isinstance(value, dict):
                yield from ((f"{inside}.{name}", each) for name, each in value.items())
            elif key == "sizeLimit":
                yield inside, value
            else:
                yield from _quantities(value, inside)
