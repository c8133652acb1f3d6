"""The `stream-inspector` command: the one place that knows every process.

A command's module is imported when it is called, so a camera needs no torch.
"""

import importlib
import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from workers.runtime.errors import SettingsError

# name -> "module:attribute"; the attribute is a function or a typer.Typer with subcommands
COMMANDS = {
    "demo": "workers.demo.command:demo",
    "camera": "workers.camera.command:camera",
    "worker": "workers.inspector.command:worker",
    "notifier": "workers.notifier.command:notifier",
    "dlq": "workers.dlq.command:dlq",
    "train": "workers.trainer.train_command:train",
    "calibrate": "workers.trainer.command:calibrate",
    "evaluate": "workers.trainer.evaluate_command:evaluate",
    "compare": "workers.trainer.compare_command:compare",
    "inspect": "workers.trainer.command:inspect",
    "sample": "workers.trainer.sample_command:sample",
    "model": "workers.trainer.model_command:model",
    "topics": "workers.topics.command:topics",
