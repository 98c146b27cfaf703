"""`slt export backbone`: one stream of a trained run as a file that another run starts from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slt_cli.errors import SltError, UsageError
from slt_cli.pipelines.result import Plan, Report, Result
from slt_cli.settings.evaluate import ExportSettings
from slt_cli.settings.load import Loaded
from slt_cli.storage.checkpoint import save_checkpoint

EXPORTS = Path("exports")
CROPS = "crops_"
STACKS, BACKBONES = "mska.stacks.", "encoder.backbones."  # names of parameters begin with them


def plan_export_backbone(run: Path | None, stream: str, loaded: Loaded) -> Result:
    """What `run_export_backbone` would do and what it lacks."""
    plan = Plan("export")
    try:
        path, payload = _read(run)
        weights = _weights(payload["model"], stream, path)
        output = _output(path, stream, loaded.settings.export)
        plan.steps.append(f"write {len(weights)} tensors of {stream} in {path} to {output}")
    except SltError as error:
        plan.missing.append(f"{error.message} ({error.where}); next: {error.hint}")
    return plan.as_result(loaded.overrides())


def run_export_backbone(
    run: Path | None, stream: str, settings: ExportSettings, report: Report
) -> Result:
    """Write the weights of one stream of the checkpoint meant by RUN.

    `stream` is `face`, `hand_left`, `hand_right` or `body` for a keypoint stack, `crops_face`,
    `crops_hand_left` or `crops_hand_right` for an image backbone.

    Raises `UsageError` for a stream that the run has not and for a file in the way, and what
    `read_run` raises.
    """
    path, payload = _read(run)
    weights = _weights(payload["model"], stream, path)
    output = _output(path, stream, settings)
    described = _described(stream, payload, path)
    report("export", done=0, total=1)
    save_checkpoint(output, {**described, "source": path.name, "state_dict": weights})
    report("export", done=1, total=1)
    return Result(
        "export", text=str(output), outputs=[output], counts={"tensors": len(weights)},
        facts={
            "kind": described["kind"], "stream": stream,
            "parameters": sum(tensor.numel() for tensor in weights.values()),
            "use": _use(described, output),
        },
    )  # fmt: skip


def _read(run: Path | None) -> tuple[Path, dict[str, Any]]:
    from slt_cli.training.run_folder import read_run

    return read_run(run)


def _output(checkpoint: Path, stream: str, settings: ExportSettings) -> Path:
    """The file to write. Raises `UsageError` when it is there and may not be replaced."""
    default = EXPORTS / f"{checkpoint.absolute().parent.name}-{stream}.pt"
    output = settings.output or default
    if output.is_dir():
        raise UsageError("this is a folder", where=str(output), hint=f"-o {output / default.name}")
    if output.exists() and not settings.overwrite:
        raise UsageError(
            "the file exists", where=str(output), hint="add --overwrite, or choose another -o FILE"
        )
    return output


def _weights(model: Mapping[str, Any], stream: str, checkpoint: Path) -> dict[str, Any]:
    """Tensors of one stream, named as in its own module."""
    place = BACKBONES if stream.startswith(CROPS) else STACKS
    prefix = f"{place}{stream.removeprefix(CROPS)}."
    # A copy: a slice of a larger tensor would be stored with all of it.
    weights = {k.removeprefix(prefix): v.clone() for k, v in model.items() if k.startswith(prefix)}
    if not weights:
        found = ", ".join(_streams(model))
        raise UsageError(
            f"the run has no stream {stream!r}", where=str(checkpoint),
            hint=f"--stream, one of: {found}" if found else "train with keypoints or crops",
        )  # fmt: skip
    return weights


def _streams(model: Mapping[str, Any]) -> list[str]:
    """Streams in a state dict that can be exported."""
    named = {
        before + name.removeprefix(place).partition(".")[0]: None
        for place, before in ((STACKS, ""), (BACKBONES, CROPS))
        for name in model
        if name.startswith(place)
    }
    return list(named)


def _described(stream: str, payload: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """What the file says about its weights."""
    from slt_cli.models.backbones import model_name
    from slt_cli.pipelines.run_settings import settings_of

    part = stream.removeprefix(CROPS)
    if stream.startswith(CROPS):
        vit = payload["shape"]["backbones"][part]
        return {"kind": "vit", "stream": part, "model": model_name(vit), "vit": vit}
    settings = settings_of(payload, path).model.model_dump(mode="json")
    shape = ("mska_width", "mska_input_dim", "mska_mode", "mska_use_sgr")
    names = [n for n in settings if n in shape or n.startswith(("mska_temporal", "mska_stream"))]
    return {
        "kind": "mska", "stream": part, "num_points": payload["shape"]["num_points"][part],
        "config": {name: settings[name] for name in names},
    }  # fmt: skip


def _use(described: Mapping[str, Any], output: Path) -> str:
    """The flag that starts another run from the file."""
    part = described["stream"]
    if described["kind"] == "vit":
        return f"--{part.replace('_', '-')}-backbone file::{output}:{described['model']}"
    return f"--mska-{part.partition('_')[0]}-state {output}"
