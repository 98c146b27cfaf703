"""`slt demo`: the whole road, walked with the commands a user would type."""

from __future__ import annotations

import csv
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slt_cli.errors import SltError, UsageError
from slt_cli.pipelines.result import Plan, Report, Result
from slt_cli.settings.load import Loaded
from slt_cli.settings.root import Settings

ROWS_SHOWN = 12


def plan_demo(loaded: Loaded) -> Result:
    """The commands the demo would run."""
    settings = loaded.settings
    demo = settings.demo
    plan = Plan("demo")
    clips = demo.num_train + demo.num_val + demo.num_test
    plan.steps.append(f"render {clips} videos of a synthetic signer into {demo.output / 'videos'}/")
    plan.steps += [f"run: {_shown(command)}" for command in _commands(settings)]
    return plan.as_result(loaded.overrides())


def run_demo(settings: Settings, report: Report) -> Result:
    """Render, then extract, validate, train, eval, export and translate.

    Raises `UsageError` when the folder exists (unless `demo.overwrite`), and the error of the first
    command that fails.
    """
    from slt_cli.synthetic.dataset import write_demo_videos

    demo = settings.demo
    root = demo.output
    if root.exists() and demo.overwrite:
        shutil.rmtree(root)
    if root.exists():
        raise UsageError(
            "the demo folder exists",
            where=str(root),
            hint="slt demo --overwrite, or slt demo -o OTHER",
        )
    walk = _Walk(report)
    report(
        "note",
        text="rendering a synthetic signer: landmarks come from the renderer, not from pixels",
    )
    started = time.monotonic()
    write_demo_videos(
        root / "videos", root / "corpus", seed=demo.seed, num_train=demo.num_train,
        num_val=demo.num_val, num_test=demo.num_test, workers=2, report=report,
    )  # fmt: skip
    walk.seconds["render"] = round(time.monotonic() - started, 1)
    for command in _commands(settings):
        walk.run(command)
    return _result(root, walk)


@dataclass
class _Walk:
    """Runs commands one after the other, shows each before it runs, keeps their JSON results."""

    report: Report
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, command: list[str]) -> None:
        self.report("note", text=f"$ {_shown(command)}")
        started = time.monotonic()
        environ = {k: v for k, v in os.environ.items() if not k.startswith("SLT_")}
        done = subprocess.run(
            [sys.executable, "-m", "slt_cli", *command, "--json"],
            stdout=subprocess.PIPE, stderr=_stderr(), env=environ, text=True, check=False,
        )  # fmt: skip
        name = command[0]
        self.seconds[name] = round(time.monotonic() - started, 1)
        if done.returncode != 0:
            raise _failed(command, done.returncode)
        self.results[name] = json.loads(done.stdout)


def _failed(command: list[str], code: int) -> SltError:
    error = SltError(
        f"the step failed with exit code {code}", where=_shown(command), hint=_shown(command)
    )
    error.exit_code = code  # type: ignore[misc]
    return error


def _stderr() -> Any:
    """The real stderr: fd 2 may be pointed at the log of native messages."""
    try:
        sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return None
    return sys.stderr


def _shown(command: list[str]) -> str:
    return shlex.join(["slt", *command])


def _commands(settings: Settings) -> list[list[str]]:
    demo = settings.demo
    root = demo.output
    corpus, run, bundle = str(root / "corpus"), str(root / "run"), str(root / "bundle")
    train = ["train", "--preset", demo.preset, "--data", corpus, "--work-dir", run]
    # A small vocabulary: word endings then are pieces of their own, which new verb forms share.
    train += ["--vocab-size", "160", "--epochs", str(demo.epochs), "--seed", str(demo.seed)]
    test_video = str(root / "videos" / "test_000.mp4")
    return [
        [
            "extract",
            str(root / "videos"),
            "-o",
            corpus,
            "--estimator",
            "synthetic",
            "--crop-size",
            "112",
        ],
        ["validate", corpus],
        train,
        ["eval", run, "--data", corpus, "--split", "test", "--control"],
        ["export", "onnx", run, "-o", bundle],
        ["translate", test_video, "--model", bundle, "--estimator", "synthetic"],
    ]


def _result(root: Path, walk: _Walk) -> Result:
    scores = walk.results["eval"]["facts"]["scores"]
    with (root / "run" / "eval" / "test" / "predictions.csv").open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle, delimiter=";"))
    sentence = walk.results["translate"]["facts"]["videos"][0]
    places = {
        "videos": root / "videos", "corpus": root / "corpus", "run": root / "run",
        "predictions": root / "run" / "eval" / "test" / "predictions.csv",
        "bundle": root / "bundle",
    }  # fmt: skip
    text = "\n\n".join(
        [
            _sentences(rows[:ROWS_SHOWN], len(rows)),
            _scores(scores),
            f"{sentence['video']} through the exported bundle: {sentence['text']}",
            "\n".join(f"{name:<12} {path}" for name, path in places.items()),
        ]
    )
    facts = {
        "estimator": "synthetic", "scores": scores, "seconds": walk.seconds,
        "places": {name: str(path) for name, path in places.items()}, "translated": sentence,
    }  # fmt: skip
    return Result("demo", text=text, outputs=list(places.values()), facts=facts)


def _sentences(rows: list[dict[str, str]], total: int) -> str:
    lines = [f"{len(rows)} of {total} test sentences, all new, by a signer not seen in training:"]
    for row in rows:
        mark = "=" if row["prediction"] == row["reference"] else "~"
        lines += [f"  reference   {row['reference']}", f"{mark} translation {row['prediction']}"]
    return "\n".join(lines)


def _scores(scores: dict[str, list[dict[str, Any]]]) -> str:
    control = {score["name"]: score["value"] for score in scores["control"]}
    lines = [f"{'score':<10} {'test':>7} {'control':>8}  signature"]
    for score in [*scores["text"], *scores.get("gloss", [])]:
        other = f"{control[score['name']]:8.2f}" if score["name"] in control else " " * 8
        lines.append(f"{score['name']:<10} {score['value']:7.2f} {other}  {score['signature']}")
    lines.append(
        "control: every sentence scored against the translation of another sentence's video"
    )
    return "\n".join(lines)
