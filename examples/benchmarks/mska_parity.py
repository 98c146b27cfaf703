"""Compare MSKA and its losses with the numbers of the authors' code, and record every check.

python examples/benchmarks/mska_parity.py

The checks are the tests that carry a row for this table; they find the numbers as all tests on real
data do.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from record import record

ROOT = Path(__file__).resolve().parents[2]
TESTS = [
    "tests/models/mska", "tests/models/test_mapper.py", "tests/losses/test_ctc.py",
    "tests/losses/test_translation.py",
]  # fmt: skip


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [
            sys.executable, "-m", "pytest", *TESTS, "-m", "real", f"--junitxml={report}",
            "-o", "junit_family=xunit1",
        ]  # fmt: skip
        code = subprocess.run(command, cwd=ROOT, stdout=sys.stderr).returncode
        if code:
            sys.exit(code)
        rows = parity_rows(report)
    print(
        record(
            "MSKA: parity with the authors' code", "python examples/benchmarks/mska_parity.py",
            ["what", "tolerance", "measured"], rows,
        )
    )  # fmt: skip


def parity_rows(report: Path) -> list[list[str]]:
    """What, tolerance and value of each check that the tests noted, in the order of the tests."""
    notes = ElementTree.parse(report).iterfind(".//property[@name='parity']")
    return [json.loads(note.attrib["value"]) for note in notes]


if __name__ == "__main__":
    main()
