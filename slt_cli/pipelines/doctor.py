"""`slt doctor`: what works on this machine, and what to do about what does not."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from slt_cli import __version__
from slt_cli.errors import MissingAsset
from slt_cli.pipelines.result import Result

PACKAGES = (
    "torch", "transformers", "tokenizers", "numpy", "av", "mediapipe", "protobuf", "onnx",
    "onnxruntime", "onnxscript", "sacrebleu", "jiwer", "typer", "pydantic",
)  # fmt: skip
LOW_DISK_GIB = 2
MODELS = {
    "pose_detection.tflite", "pose_landmark_full.tflite", "face_landmark.tflite",
    "hand_landmark_full.tflite", "hand_recrop.tflite", "face_detection_full_range_sparse.tflite",
}  # fmt: skip
"""Files in mediapipe's wheel that Holistic and the face detector need."""
DECODERS = {
    "h264": ("h264",), "hevc": ("hevc",), "vp8": ("vp8",), "vp9": ("vp9",),
    "av1": ("libdav1d", "libaom-av1"),  # the decoder called av1 only drives hardware
    "mjpeg": ("mjpeg",), "mpeg4": ("mpeg4",), "gif": ("gif",), "prores": ("prores",),
}  # fmt: skip
"""Codecs that videos of signers come in, and FFmpeg's decoders for them."""


def run_doctor() -> Result:
    """Check versions, estimators, models, codecs, devices and disk.

    Exit 5 when a part of `slt` cannot work that needs nothing but the installed packages; what
    needs a file of the user's is reported only.
    """
    checks: dict[str, Callable[[], dict[str, Any]]] = {
        "system": _system,
        "packages": _packages,
        "estimator mediapipe": _mediapipe,
        "estimator mediapipe-tasks": _mediapipe_tasks,
        "estimator precomputed": lambda: {"ok": True, "reads": "landmark files of --landmarks-dir"},
        "estimator synthetic": lambda: {"ok": True, "reads": "videos that slt demo renders"},
        "assets": _assets,
        "video codecs": _codecs,
        "devices": _devices,
        "disk": _disk,
    }
    found = {name: _guarded(check) for name, check in checks.items()}
    states = {name: _state(facts) for name, facts in found.items()}
    broken = [name for name, state in states.items() if state == "FAIL"]
    lines = [f"{states[name]:<5} {name:<25} {_facts(facts)}" for name, facts in found.items()]
    return Result(
        "doctor", "ok" if not broken else "failed", 0 if not broken else 5, "\n".join(lines),
        counts={"ok": list(states.values()).count("ok"), "failed": len(broken)}, facts=found,
    )  # fmt: skip


def _guarded(check: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return check()
    except MissingAsset as error:
        return {"ok": False, "error": error.message, "fix": error.hint}
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        return {"ok": False, "error": f"{type(error).__name__}: {error}"}


def _state(facts: dict[str, Any]) -> str:
    return "ok" if facts["ok"] else "-" if facts.get("optional") else "FAIL"


def _facts(facts: dict[str, Any]) -> str:
    return "  ".join(
        f"{key} {value}" for key, value in facts.items() if key not in {"ok", "optional"}
    )


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
    from slt_cli.landmarks.estimators.mediapipe import INSTALL, load_mediapipe

    mediapipe = load_mediapipe()
    models = {path.name for path in (Path(mediapipe.__file__).parent / "modules").rglob("*.tflite")}
    missing = sorted(MODELS - models)
    ok = hasattr(mediapipe, "solutions") and not missing
    return {
        "ok": ok,
        "version": mediapipe.__version__,
        "models": len(models),
        **({"missing": ", ".join(missing)} if missing else {}),
        **({} if ok else {"fix": INSTALL}),
    }


def _mediapipe_tasks() -> dict[str, Any]:
    """Whether there is a model file whose content is known; it is not loaded."""
    from slt_cli.landmarks.estimators.mediapipe import load_mediapipe
    from slt_cli.landmarks.estimators.mediapipe_tasks import KNOWN_SHA256, MODEL, SOURCE
    from slt_cli.storage.assets import find_asset

    try:
        load_mediapipe()
        model = find_asset(MODEL, KNOWN_SHA256, source=SOURCE)
    except MissingAsset as error:
        return {"ok": False, "optional": True, "why": error.message, "fix": error.hint}
    return {"ok": True, "model": str(model.path), "sha256": model.sha256}


def _assets() -> dict[str, Any]:
    """The folders searched for model files, and what lies in them."""
    from slt_cli.landmarks.estimators.mediapipe_tasks import KNOWN_SHA256, MODEL
    from slt_cli.storage.assets import asset_folders
    from slt_cli.storage.hashes import sha256_file

    found: dict[str, Any] = {"ok": True}
    for folder in asset_folders():
        path = folder / MODEL
        if not folder.is_dir():
            found[str(folder)] = "no such folder"
        elif not path.is_file():
            found[str(folder)] = "nothing of use"
        else:
            sha256 = sha256_file(path)
            known = "known" if sha256 in KNOWN_SHA256 else "unknown"
            found[str(folder)] = f"{MODEL} ({known} content, sha256 {sha256})"
    return found


def _codecs() -> dict[str, Any]:
    import av

    def works(decoder: str) -> bool:
        try:
            av.Codec(decoder, "r")
        except ValueError:
            return False
        return True

    there = [codec for codec, decoders in DECODERS.items() if any(map(works, decoders))]
    missing = [codec for codec in DECODERS if codec not in there]
    return {
        "ok": "h264" in there,
        "decoders": ", ".join(there),
        **({"missing": ", ".join(missing)} if missing else {}),
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
