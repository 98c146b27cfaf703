"""Help comes at once and nothing heavy is imported for it."""

import os
import subprocess
import sys

import pytest

from tests.cli.run_slt import SLT, clean_environment, slt
from tests.settings.test_fields import COMMANDS

HEAVY = {"torch", "transformers", "mediapipe", "cv2", "av", "numpy", "onnx", "onnxruntime", "PIL"}
HEAVY |= {"matplotlib", "pandas", "scipy", "tokenizers", "sacrebleu", "sentencepiece"}
HELP_BUDGET_S = 0.4
LIST_MODULES = """
import sys
from slt_cli.cli.main import main
sys.argv = ["slt", *sys.argv[1:]]
try:
    main()
finally:
    print(" ".join({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def run_and_list_modules(*args: str) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    command = [sys.executable, "-c", LIST_MODULES, *args]
    done = subprocess.run(
        command, env=clean_environment(), capture_output=True, text=True, check=False
    )
    return done, set(done.stderr.splitlines()[-1].split())


def processor_time_s(*args: str) -> float:
    """Time the process itself needs: what a user waits for on a machine that is not busy."""
    with open(os.devnull, "w") as nothing:
        process = subprocess.Popen(
            [*SLT, *args], env=clean_environment(), stdout=nothing, stderr=nothing
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime


def test_help_answers_within_its_budget():
    # Neighbours on the machine slow single runs down, so one quick answer out of many tries counts.
    assert any(processor_time_s("--help") < HELP_BUDGET_S for _ in range(30))


@pytest.mark.parametrize("path", ["", *COMMANDS])
def test_help_of_every_command_prints_usage_and_imports_nothing_heavy(path):
    done, imported = run_and_list_modules(*path.split(), "--help")
    assert done.returncode == 0
    assert f"Usage: slt {path}".rstrip() in done.stdout
    assert "typer" in imported
    assert not imported & HEAVY


@pytest.mark.parametrize("args", [["config", "show"], ["presets", "list"], ["tra"]])
def test_commands_about_settings_and_mistakes_import_nothing_heavy_either(args):
    _, imported = run_and_list_modules(*args)
    assert "typer" in imported
    assert not imported & HEAVY


def test_version():
    from slt_cli import __version__

    done = slt("--version")
    assert (done.returncode, done.stdout) == (0, f"slt {__version__}\n")


@pytest.mark.parametrize("group", ["", "export"])
def test_no_command_shows_the_help_and_exits_2(group):
    done = slt(*group.split())
    assert (done.returncode, done.stderr) == (2, "")
    assert f"Usage: slt {group}".rstrip() in done.stdout
