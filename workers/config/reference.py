"""`python -m workers.config.reference`: writes docs/configuration.md from the settings classes."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from schemas.documents.describe import Node, resolved, table, type_in_words
from workers.config.command import SETTINGS, settings_class
from workers.runtime.settings.errors import ENV_DELIMITER, ENV_PREFIX
from workers.runtime.settings.process import ProcessSettings

FILE = Path(__file__).parents[2] / "docs" / "configuration.md"

_INTRODUCTION = f"""\
# Configuration

<!-- Written by `python -m workers.config.reference` (make docs); change the settings classes. -->

Every setting of every process. Flags (`--set worker.batch_max=4`) win over the environment, which
wins over the YAML file (`--config`), which wins over the default. The environment variable of a
setting is `{ENV_PREFIX}`, then its path in capitals with `{ENV_DELIMITER}` for each dot:
`worker.batch_max` is `{ENV_PREFIX}WORKER{ENV_DELIMITER}BATCH_MAX`.
Lists and mappings are JSON there. An unknown key or a wrong value is refused, with its path and
where it came from (exit code 78).

A setting marked **secret** is never shown or logged; give it in the environment, or as the file
whose setting stands beside it (`..._file`). What a category's own file may say is in
[categories](categories.md).

```
stream-inspector config show worker                       # all settings, with their values
stream-inspector config check worker --config my-worker.yaml
stream-inspector doctor worker --config my-worker.yaml    # and whether what they name is there
```
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """A row of the reference."""

    path: str
    type: str
    default: str
    text: str
    secret: bool

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return ENV_PREFIX + self.path.replace(".", ENV_DELIMITER).upper()


def settings_of(model: type[BaseModel]) -> list[Setting]:
    """Every setting of a class, in its order."""
    schema = model.model_json_schema()
    return list(_walk(schema, schema.get("$defs", {}), model().model_dump(mode="json"), ""))


def document() -> str:
    """docs/configuration.md."""
    shared = settings_of(ProcessSettings)
    sections = [_section("Every process", shared)]
    for process in SETTINGS:
        own = [row for row in settings_of(settings_class(process)) if row not in shared]
        if own:
            sections.append(_section(f"`{process}`", own))
    return "\n".join([_INTRODUCTION, *sections])


def _section(title: str, rows: Iterable[Setting]) -> str:
    head = ["setting", "type", "default", "meaning", "environment variable"]
    lines = [[f"`{r.path}`", r.type, r.default, _meaning(r), f"`{r.variable}`"] for r in rows]
    return f"## {title}\n\n{table([head, *lines])}"


def _meaning(row: Setting) -> str:
    return ", ".join(part for part in ("**secret**" if row.secret else "", row.text) if part)


def _walk(node: Node, definitions: Node, values: Any, prefix: str) -> Iterator[Setting]:
    for name, field in node["properties"].items():
        path, value = f"{prefix}{name}", values[name]
        section = _section_in(field, definitions)
        if section is not None:
            yield from _walk(section, definitions, value, f"{path}.")
            continue
        kind = type_in_words(field, definitions).replace(" or null", "; may be empty")
        yield Setting(path, kind, _plain(value), field.get("description", ""), _is_secret(field))


def _section_in(field: Node, definitions: Node) -> Node | None:
    """The section that a field is."""
    found = resolved(field, definitions)
    return found if "properties" in found else None


def _is_secret(field: Node) -> bool:
    options = [field, *field.get("anyOf", []), field.get("items", {})]
    return any(each.get("format") == "password" for each in options)


def _plain(value: Any) -> str:
    if value is None:
        return ""
    text = yaml.safe_dump(value, default_flow_style=True, width=1000)
    return f"`{text.removesuffix('...' + chr(10)).strip()}`"


if __name__ == "__main__":
    FILE.write_text(document())
    sys.stdout.write(f"{FILE}\n")
