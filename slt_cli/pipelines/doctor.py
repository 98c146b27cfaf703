"""`slt doctor`: what works on this machine, and what to do about what does not."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from slt_cli import __version__
from slt_cli.pipelines.result import Result

PACKAGES = (
    "torch", "transformers", "tokenizers", "numpy", "av", "mediapipe", "protobuf", "onnx",
    "onnxruntime", "onnxscript", "sacrebleu", "jiwer", "typer", "pydantic",
)  # fmt: skip
LOW_DISK_GIB = 2


def run_doctor() -> Result:
    """Check versions, estimators, devices and disk. Exit 5 when a part of `slt` cannot work."""
    checks: dict[str, Callable[[], dict[str, Any]]] = {
        "system": _system,
        "packages": _packages,
        "estimator mediapipe": _mediapipe,
        "estimator synthetic": lambda: {"ok": True, "reads": "videos that slt demo renders"},
        "video codecs": _codecs,
        "devices": _devices,
        "disk": _disk,
    }
    found = {name: _guarded(check) for name, check in checks.items()}
    broken = [name for name, facts in found.items() if not facts["ok"]]
    lines = [
        f"{'ok' if facts['ok'] else 'FAIL':<5} {name:<20} {_facts(facts)}"
        for name, facts in found.items()
    ]
    return Result(
        "doctor", "ok" if not broken else "failed", 0 if not broken else 5, "\n".join(lines),
        counts={"ok": len(found) - len(broken), "failed": len(broken)}, facts=found,
    )  # fmt: skip


def _guarded(check: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return check()
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        return {"ok": False, "error": f"{type(error).__name__}: {error}"}


def _facts(facts: dict[str, Any]) -> str:
    return "  ".join(f"{key} {value}" for key, value in facts.items() if key != "ok")


def _system() -> dict[str, Any]:
    return {
        "ok": (3, 11) <= sys.version_info[:2] < (3, 13),
        "slt": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "cpus": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
    }


def _packages() -> dict[str, Any]:
    found: dict[str, Any] = {"ok": True}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found |= {name: "missing", "ok": False}
    return found


def _mediapipe() -> dict[str, Any]:
    """Look for the models inside the package, then import it: that needs libGL and GLib."""
    spec = importlib.util.find_spec("mediapipe")
    if spec is None or spec.origin is None:
        return {"ok": False, "fix": "pip install 'mediapipe>=0.10.14,<0.10.30'"}
    models = sorted((Path(spec.origin).parent / "modules").rglob("*.tflite"))
    try:
        from mediapipe import solutions
    except (ImportError, OSError) as error:
        return {"ok": False, "error": str(error), "fix": "apt-get install libgl1 libglib2.0-0"}
    needed = {"pose_landmark_full.tflite", "face_landmark.tflite", "hand_landmark_full.tflite"}
    missing = sorted(needed - {path.name for path in models})
    return {
        "ok": hasattr(solutions, "holistic") and not missing,
        "version": version("mediapipe"),
        "models": len(models),
        **({"missing": ", ".join(missing)} if missing else {}),
    }


def _codecs() -> dict[str, Any]:
    import av

    wanted = ("h264", "hevc", "vp9", "av1", "mpeg4", "gif")
    missing = [name for name in wanted if name not in av.codecs_available]
    return {
        "ok": "h264" in av.codecs_available,
        "decoders": ", ".join(w for w in wanted if w not in missing),
    }


def _devices() -> dict[str, Any]:
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {"ok": True, "cpu_threads": torch.get_num_threads(), "gpus": ", ".join(gpus) or "none"}


def _disk() -> dict[str, Any]:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    writable = os.access(Path.cwd(), os.W_OK)
    return {
        "ok": writable and free > LOW_DISK_GIB,
        "free_gib": round(free, 1),
        "writable": writable,
    }
