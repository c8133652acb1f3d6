"""Strict schemas of every object that the chart makes: an unknown kind is an error.

Built-in kinds come from the package kubernetes-validate, those of the Prometheus operator from
its own definitions (tests/cluster/custom-resources), those of KEDA from keda.yaml beside this file,
which knows only the fields that the chart uses.
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
def _custom() -> dict[str, Any]:
    """Schemas of custom objects, by apiVersion/kind."""
    here = Path(__file__).parent
    found: dict[str, Any] = yaml.safe_load((here / "keda.yaml").read_text())
    for file in (here.parent / "cluster" / "custom-resources").glob("*.yaml"):
        spec = yaml.safe_load(file.read_text())["spec"]
        for version in spec["versions"]:
            name = f"{spec['group']}/{version['name']}/{spec['names']['kind']}"
            found[name] = _strict(version["schema"]["openAPIV3Schema"])
    return found


def _strict(node: Any) -> Any:
    """Unknown fields are refused, as the server does under strict validation."""
    if isinstance(node, list):
        return [_strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    inner = {key: _strict(value) for key, value in node.items()}
    if isinstance(node.get("properties"), dict) and "additionalProperties" not in node:
        inner["additionalProperties"] = node.get("x-kubernetes-preserve-unknown-fields", False)
    return inner


@cache
def validator(kind: str, api_version: str, version: str) -> Any:
    """Of a kind, as Kubernetes `version` knows it. Raises LookupError for one that nobody knows."""
    own = _custom().get(f"{api_version}/{kind}")
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
