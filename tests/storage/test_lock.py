"""One writer per folder; the lock ends with its process, however that ends."""

import fcntl
import os
import signal
import socket
import subprocess
import sys

import pytest

from slt_cli.errors import UsageError
from slt_cli.storage.lock import folder_lock

HOLDER = """
import sys, time
from pathlib import Path
from slt_cli.storage.lock import folder_lock
with folder_lock(Path(sys.argv[1]), "the run"):
    print("locked", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "locked\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path, holder):
    with pytest.raises(UsageError) as caught, folder_lock(tmp_path, "the run"):
        pass
    holder_name = f"process {holder.pid} on {socket.gethostname()}"
    assert caught.value.message == f"the run is in use by {holder_name}"
    assert caught.value.where == str(tmp_path)
    assert caught.value.exit_code == 2


def test_kill_minus_nine_frees_the_folder(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with folder_lock(tmp_path, "the run"):
        assert (tmp_path / ".lock").exists()
    assert list(tmp_path.iterdir()) == []


def test_the_same_process_may_lock_again_afterwards_even_after_an_error(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError), folder_lock(tmp_path / "new" / "run", "the run"):
            raise KeyError
    assert list((tmp_path / "new" / "run").iterdir()) == []


def test_a_lock_file_removed_by_its_last_owner_does_not_count_as_held(tmp_path, monkeypatch):
    """Between our open and our lock the owner left: our lock would be on a file nobody sees."""
    real = fcntl.flock

    def flock_after_the_owner_left(handle, how):
        os.unlink(tmp_path / ".lock")
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", flock_after_the_owner_left)
    with pytest.raises(UsageError, match="in use"), folder_lock(tmp_path, "the run"):
        pass


def test_two_folders_are_two_locks(tmp_path):
    with folder_lock(tmp_path / "a", "the run"), folder_lock(tmp_path / "b", "the run"):
        pass
