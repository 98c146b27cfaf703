"""Stdout carries the result and nothing else, whatever the terminal, the pipe or a library does."""

import os
import re
import subprocess
import sys

import pytest

from tests.cli.run_slt import SLT, clean_environment, json_object, slt

NOISY = """
import os, subprocess, sys
from slt_cli.cli.streams import own_streams
own_streams({debug})
os.write(1, b"native stdout\\n")
os.write(2, b"native stderr\\n")
subprocess.run(["echo", "from a child"])
print("result \\udcff \\u00f1")
print("message", file=sys.stderr)
"""
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def run_script(script: str, **extra) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", script], env=clean_environment(**extra), capture_output=True,
        check=False, timeout=60,
    )  # fmt: skip


def test_native_writes_and_children_never_reach_stdout_or_stderr(tmp_path):
    done = run_script(NOISY.format(debug=False), TMPDIR=str(tmp_path))
    assert done.returncode == 0
    assert done.stdout == "result \\udcff ñ\n".encode()
    assert done.stderr == b"message\n"
    assert list(tmp_path.iterdir()) == []


def test_with_debug_they_go_to_stderr(tmp_path):
    done = run_script(NOISY.format(debug=True))
    assert done.stdout == "result \\udcff ñ\n".encode()
    assert done.stderr == b"native stdout\nnative stderr\nfrom a child\nmessage\n"


PRINTING = """
import sys
from slt_cli.pipelines import {verb}
from slt_cli.pipelines.result import Result
def noisy(*args):
    print("a library printed this")
    return Result("{verb}", text="fine")
{verb}.{function} = noisy
from slt_cli.cli.main import main
sys.argv = ["slt", "{verb}"]
main()
"""


@pytest.mark.parametrize(("verb", "function"), [("doctor", "run_doctor"), ("demo", "run_demo")])
def test_a_print_inside_a_command_goes_to_stderr(verb, function):
    done = run_script(PRINTING.format(verb=verb, function=function))
    assert (done.returncode, done.stdout) == (0, b"fine\n")
    assert done.stderr == b"a library printed this\n"


@pytest.mark.parametrize(
    "args",
    [
        ["config", "show", "--preset", "tiny-cpu", "--json"],
        ["config", "diff", "tiny-cpu", "keypoints-small", "--json"],
        ["presets", "list", "--json"],
        ["presets", "show", "tiny-cpu", "--json"],
        ["presets", "copy", "tiny-cpu", "--dry-run", "--json"],
        ["demo", "--dry-run", "--json"],
    ],
)
def test_json_on_success_is_one_object(tmp_path, args):
    done = slt(*args, cwd=tmp_path)
    value = json_object(done)
    assert done.returncode == 0, done.stderr
    assert value["status"] == ("planned" if "--dry-run" in args else "ok")
    assert value["errors"] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "args", [["config", "schema"], ["config", "show", "--json"], ["train", "--help"]]
)
def test_a_reader_that_leaves_ends_the_command_quietly_with_141(args):
    read_end, write_end = os.pipe()
    process = subprocess.Popen(
        [*SLT, *args], stdout=write_end, stderr=subprocess.PIPE, env=clean_environment()
    )
    os.close(write_end)
    os.close(read_end)
    _, message = process.communicate(timeout=60)
    assert (process.returncode, message) == (141, b"")


def test_a_pipe_into_head_shows_its_line_and_no_traceback():
    line = " ".join(SLT) + " config schema | head -1; exit ${PIPESTATUS[0]}"
    done = subprocess.run(
        ["bash", "-c", line], env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("{\n", "")
    assert done.returncode in {0, 141}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
class TestFullDevice:
    @pytest.mark.parametrize(
        "args", [["config", "schema"], ["config", "show", "--json"], ["--version"]]
    )
    def test_stdout_full_is_one_line_and_exit_6(self, args):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [*SLT, *args], stdout=full, stderr=subprocess.PIPE, env=clean_environment(),
                text=True, check=False,
            )  # fmt: skip
        assert done.returncode == 6
        expected = "error [SLT-E006]: stdout cannot be written: No space left on device\n"
        assert done.stderr == expected

    def test_stderr_full_loses_the_message_only(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [*SLT, "presets", "show", "nope", "--json"], stdout=subprocess.PIPE, stderr=full,
                env=clean_environment(), text=True, check=False,
            )  # fmt: skip
        assert json_object(done)["exit_code"] == 2


@pytest.mark.parametrize("closed", [1, 2])
def test_started_with_a_stream_closed(closed):
    line = " ".join(SLT) + f" presets list {closed}>&-"
    done = subprocess.run(
        ["bash", "-c", line], env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert ("tiny-cpu" in done.stdout) == (closed == 2)


DULL = {"TERM": "dumb", "NO_COLOR": "1", "LANG": "C", "LC_ALL": "C", "COLUMNS": "40"}


TRAIN_HELP = ["train", "--help"]


@pytest.mark.parametrize(
    ("environment", "args"),
    [
        (DULL, ["--help"]),
        (DULL, TRAIN_HELP),
        (DULL, ["config", "show", "--set", "data.corpus=ñ"]),
        (DULL, ["trian"]),
        ({"TERM": None}, TRAIN_HELP),
        ({"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, TRAIN_HELP),
        ({"COLUMNS": "1"}, TRAIN_HELP),
    ],
)
def test_poor_terminals_get_no_control_codes_and_no_crash(environment, args):
    done = slt(*args, **environment)
    assert done.returncode == (2 if args == ["trian"] else 0)
    assert not CONTROL.search(done.stdout + done.stderr)
    assert "Traceback" not in done.stderr


def test_forty_columns_do_not_wrap_data(tmp_path):
    narrow, wide = (
        slt("config", "show", "--set", f"data.corpus={'long/' * 30}", COLUMNS=columns)
        for columns in ("40", "400")
    )
    assert narrow.stdout == wide.stdout
    assert max(map(len, narrow.stdout.splitlines())) > 150


@pytest.mark.parametrize(
    "environment",
    [
        {"HOME": None},
        {"HOME": "/proc/1/nowhere"},
        {"TMPDIR": "/nonexistent"},
        {"HOME": None, "PATH": "", "USER": None, "LOGNAME": None},
    ],
)
def test_no_home_and_no_temporary_folder_are_needed(tmp_path, environment):
    done = slt("demo", "--dry-run", "--json", cwd=tmp_path, **environment)
    assert json_object(done)["status"] == "planned"


def test_nowhere_to_put_a_hidden_log_is_no_obstacle():
    script = "import tempfile; tempfile.tempdir = '/nonexistent'\n" + NOISY.format(debug=False)
    done = run_script(script)
    assert (done.stdout, done.stderr) == ("result \\udcff ñ\n".encode(), b"message\n")


def test_control_characters_from_data_do_not_reach_the_terminal():
    done = slt("presets", "show", "\x1b[2Jname\x07")
    assert "\\x1b[2Jname\\x07" in done.stderr
    assert not CONTROL.search(done.stderr)
