"""Flags that several offline commands share."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None, typer.Option("--config", help="YAML file, e.g. configs/trainer.yaml")
]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", help="key.path=value, repeatable; wins over the file")
]
Data = Annotated[
    Path | None,
    typer.Option("--data", help="folder of one category: a known layout, or just good images"),
]
Layout = Annotated[
    str | None, typer.Option("--layout", help="auto | mvtec | btad | visa | plain | reviewed")
]
ModelFolder = Annotated[Path, typer.Option("--model", help="folder that `train` wrote")]
ModelCategory = Annotated[
    str | None, typer.Option("--category", help="which of a unified model's categories")
]
Categories = Annotated[
    Path | None,
    typer.Option("--categories", help="folder of <category>.yaml files: a category's view"),
]
FalseReject = Annotated[
    str | None,
    typer.Option(
        "--false-reject", help="accepted share of good frames that alarm: 0.05, 5% or none"
    ),
]
PixelRate = Annotated[
    str | None,
    typer.Option(
        "--pixel-rate", help="accepted share of good pixels outlined: 0.001, 0.1% or none"
    ),
]
Strict = Annotated[
    bool | None,
    typer.Option("--strict/--on-average", help="refuse unless the good images certify the budget"),
]
OnCorruptFlag = Annotated[
    str | None, typer.Option("--on-corrupt", help="fail | skip: what an unreadable image does")
]
Engine = Annotated[
    str | None, typer.Option("--engine", help="auto | torch | onnxruntime | openvino")
]
Store = Annotated[
    str | None, typer.Option("--store", help="where model versions are kept: a folder or a URL")
]
