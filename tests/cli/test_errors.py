"""Exit codes and messages: what, where, why and the next command; a traceback only on request."""

import subprocess
import sys
from pathlib import Path

import pytest

from slt_cli.cli import main
from tests.cli.run_slt import clean_environment, files_in, json_object, slt

BROKEN = """
import sys
import {module} as module
def broken(*args, **kwargs):
    {noise}
    raise {error}
module.{name} = broken
from slt_cli.cli.main import main
sys.argv = ["slt", *sys.argv[1:]]
main()
"""


def slt_with_a_broken(
    where: str, *args: str, error: str = "ZeroDivisionError('two\\nlines')", noise="pass", **extra
):
    """Run `slt` in which one function raises `error`."""
    module, name = where.rsplit(".", 1)
    script = BROKEN.format(module=module, name=name, error=error, noise=noise)
    return subprocess.run(
        [sys.executable, "-c", script, *args],
        env=clean_environment(**extra), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


LOAD = "slt_cli.cli.config.load_settings"


@pytest.mark.parametrize(
    ("args", "fragments"),
    [
        (["trian"], ["No such command 'trian'", "train", "slt --help"]),
        (["train", "--epoch", "3"], ["--epoch", "--epochs", "slt train --help"]),
        (["translate"], ["VIDEO", "slt translate --help"]),
        (["config", "show", "--preset"], ["--preset", "slt config show --help"]),
        (["presets", "show", "tiny_gpu"], ["did you mean tiny-cpu?", "slt presets list"]),
        (["config", "diff", "tiny-cpu", "nothing"], ["neither a run folder", "nothing"]),
        (["train", "--preset", "tiny-cpu", "--set", "model.mska_head=6", "--dry-run"],
         ["model.mska_head", "--set #1", "did you mean model.mska_heads?"]),
        (["train", "--batch-size", "0", "--lr", "fast", "--dry-run"],
         ["2 problems", "flag --batch-size", "flag --lr"]),
        (["train", "--config", "absent.yaml"], ["no such configuration file", "absent.yaml"]),
    ],
)  # fmt: skip
def test_wrong_usage_exits_2_and_says_what_to_do(tmp_path, args, fragments):
    done = slt(*args, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error [SLT-E002]: ")
    assert "\n  next: " in done.stderr
    assert "Traceback" not in done.stderr
    for fragment in fragments:
        assert fragment in done.stderr
    assert files_in(tmp_path) == set()


@pytest.mark.parametrize(
    "args",
    [
        ["trian", "--json"],
        ["train", "--set", "a.b=c", "--json"],
        ["presets", "show", "nope", "--json"],
    ],
)
def test_json_on_failure_is_one_object_on_stdout_and_the_message_on_stderr(args):
    done = slt(*args)
    value = json_object(done)
    assert done.returncode == 2
    assert value["status"] == "failed"
    assert value["command"] == {"presets": "presets show"}.get(args[0], args[0])
    (error,) = value["errors"]
    assert error["code"] == "SLT-E002"
    assert error["message"].splitlines()[0] in done.stderr


def test_settings_problems_name_every_layer(tmp_path):
    (tmp_path / "a.yaml").write_text("model:\n  mska_head: 6\n")
    done = slt(
        "train", "--dry-run", "--config", "a.yaml", "--set", "optim.lr=x", "--epochs", "0",
        cwd=tmp_path, SLT_DATA_BATCH_SIZE="many",
    )  # fmt: skip
    assert done.returncode == 2
    assert "4 problems" in done.stderr
    for place in ("a.yaml:2", "--set #1", "flag --epochs", "variable SLT_DATA_BATCH_SIZE"):
        assert f"(from {place})" in done.stderr


def test_an_unexpected_error_is_one_line_and_a_log_with_the_traceback(tmp_path):
    noise = "import os; os.write(2, b'a native library said this')"
    done = slt_with_a_broken(LOAD, "config", "show", noise=noise, TMPDIR=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    first, second = done.stderr.splitlines()
    assert first == "error [SLT-E001]: unexpected ZeroDivisionError: two"
    (log,) = tmp_path.iterdir()
    assert second == f"  next: run again with --debug, or read {log}"
    text = log.read_text()
    assert "a native library said this" in text
    assert "Traceback" in text
    assert "ZeroDivisionError: two\nlines" in text


def test_an_unexpected_error_with_json_is_one_object(tmp_path):
    done = slt_with_a_broken(LOAD, "config", "show", "--json", TMPDIR=str(tmp_path))
    value = json_object(done)
    assert value["errors"][0]["code"] == "SLT-E001"
    assert str(next(tmp_path.iterdir())) in value["errors"][0]["hint"]


def test_the_traceback_is_shown_on_request_and_then_no_log_is_left(tmp_path):
    by_flag = ("train", "--dry-run", "--debug"), {}
    by_variable = ("train", "--dry-run"), {"SLT_DEBUG": "1"}
    for args, variables in (by_flag, by_variable):
        done = slt_with_a_broken(
            "slt_cli.cli.flags.load_settings", *args, TMPDIR=str(tmp_path), **variables
        )
        assert done.returncode == 1
        assert "Traceback (most recent call last)" in done.stderr
        assert "ZeroDivisionError: two" in done.stderr
        assert files_in(tmp_path) == set()


def test_no_failure_that_is_explained_leaves_a_log(tmp_path):
    for args in (["presets", "show", "nope"], ["train", "--set", "a.b=c"]):
        assert slt(*args, cwd=tmp_path, TMPDIR=str(tmp_path)).returncode == 2
    assert files_in(tmp_path) == set()


@pytest.mark.parametrize(
    ("error", "code", "fragment"),
    [
        ("MemoryError()", 6, "out of memory"),
        ("KeyboardInterrupt()", 130, "stopped"),
        ("OSError(28, 'No space left on device', 'a/b.npz')", 6, "a/b.npz"),
        ("BrokenPipeError(32, 'Broken pipe')", 1, "unexpected BrokenPipeError"),
    ],
)
def test_errors_of_the_system_have_their_exit_codes(tmp_path, error, code, fragment):
    done = slt_with_a_broken(LOAD, "config", "show", "--json", error=error, TMPDIR=str(tmp_path))
    assert done.returncode == code
    assert fragment in done.stderr
    assert "Traceback" not in done.stderr
    status = json_object(done)["status"]
    assert status == ("interrupted" if code == 130 else "failed")


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (OSError(24, "Too many open files"), 6),
        (OSError(12, "Cannot allocate memory"), 6),
        (PermissionError(13, "Permission denied", "a/b.npz"), 2),
        (OSError(30, "Read-only file system", b"a/b.npz"), 2),
        (NotADirectoryError(20, "Not a directory", "a/b.npz"), 2),
        (OSError(36, "File name too long", "a/b.npz"), 2),
        (FileNotFoundError(2, "No such file", "x"), None),
        (ValueError("x"), None),
    ],
)
def test_refusals_of_the_system_are_the_users_to_solve(error, exit_code):
    known = main._known(error)
    assert (known and known.exit_code) == exit_code
    if known:
        assert known.message == error.strerror
        assert known.where in {None, "a/b.npz"}
        assert known.hint


def test_every_error_class_has_its_own_code_and_exit_code():
    from slt_cli import errors

    classes = [errors.SltError, *errors.SltError.__subclasses__()]
    own = [cls for cls in classes if cls.__module__ == "slt_cli.errors"]
    assert len({cls.code for cls in own}) == len(own) == 8
    codes = {cls.__name__: cls.exit_code for cls in own if cls is not errors.Interrupted}
    assert codes == {
        "SltError": 1, "UsageError": 2, "InputError": 3, "MissingAsset": 5, "OutOfResources": 6,
        "VerificationError": 7, "Diverged": 8,
    }  # fmt: skip
    assert errors.Interrupted("stopped", signal_number=15).exit_code == 143


def test_errors_cross_process_boundaries_whole():
    import pickle

    from slt_cli.errors import InputError, Interrupted

    error = pickle.loads(pickle.dumps(InputError("what", where="there", hint="do")))
    assert (type(error), error.as_dict()["where"], error.hint) == (InputError, "there", "do")
    stopped = pickle.loads(pickle.dumps(Interrupted("stopped", signal_number=2, hint="again")))
    assert (stopped.exit_code, stopped.hint, str(stopped)) == (130, "again", "stopped")


def test_sigterm_exits_143(tmp_path):
    script = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    done = slt_with_a_broken(LOAD, "config", "show", noise=script, TMPDIR=str(tmp_path))
    assert done.returncode == 143
    assert "stopped by SIGTERM" in done.stderr
    assert files_in(tmp_path) == set()


def test_a_log_that_cannot_be_kept_is_not_promised(tmp_path):
    """No temporary folder at all: the message must still come out."""
    noise = "import tempfile; tempfile.tempdir = '/nonexistent'"
    done = slt_with_a_broken(LOAD, "config", "show", noise=noise)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "  next: run again with --debug"


def test_the_package_folder_is_not_written_to():
    import slt_cli

    before = files_in(Path(slt_cli.__file__).parent)
    slt("config", "show")
    after = files_in(Path(slt_cli.__file__).parent)
    assert {name for name in after - before if "__pycache__" not in name} == set()
