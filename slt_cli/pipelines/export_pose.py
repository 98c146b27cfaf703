"""`slt export pose`: clips of a corpus as `.pose` files, for pose-format and its visualiser."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path

import numpy as np

from slt_cli.corpus.clip_files import ASSUMED_FPS, ClipKeypoints, load_clip_keypoints
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.errors import InputError, SltError, UsageError
from slt_cli.landmarks.formats.pose_file import pose_bytes
from slt_cli.landmarks.formats.pose_tracks import DEFAULT_SIZE, pose_of
from slt_cli.landmarks.formats.track import UNKNOWN_SIZE, rational_fps
from slt_cli.landmarks.layouts import get_layout
from slt_cli.pipelines.result import Plan, Report, Result
from slt_cli.settings.evaluate import ExportSettings
from slt_cli.settings.load import Loaded
from slt_cli.storage.atomic import write_bytes

EXPORTS = Path("exports")
_SAME_RATE = 0.02
_UNEVEN = 0.25  # of a step
_SHOWN = 5


@dataclass
class _Targets:
    """Which file is made of which clip, which are there already, which clips are unusable."""

    todo: dict[Path, Path] = field(default_factory=dict)
    there: list[Path] = field(default_factory=list)
    failed: list[SltError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def plan_export_pose(source: Path, clip_ids: Sequence[str], loaded: Loaded) -> Result:
    """What `run_export_pose` would do and what it lacks."""
    plan = Plan("export")
    try:
        targets = _targets(source, clip_ids, loaded.settings.export)
        plan.steps += [f"write {target}" for target in targets.todo]
        plan.steps += [f"skip {target}: already there" for target in targets.there]
    except SltError as error:
        plan.missing.append(f"{error.message} ({error.where}); next: {error.hint}")
    return plan.as_result(loaded.overrides())


def run_export_pose(
    source: Path, clip_ids: Sequence[str], settings: ExportSettings, report: Report
) -> Result:
    """Write one `.pose` file (version 0.2) per clip of a corpus, or of one keypoint file.

    `clip_ids` chooses clips; all when empty. A file that has the same content already is kept.
    Unusable clips are listed and the others exported (exit code 4). Raises `UsageError` for unknown
    clips and, unless `settings.overwrite`, before anything is written, for files in the way.
    """
    targets = _targets(source, clip_ids, settings)
    written, kept = list[Path](), targets.there
    for done, (target, keypoints) in enumerate(targets.todo.items()):
        report("export", done=done, total=len(targets.todo), clip=keypoints.stem)
        try:
            data, notes = _content(keypoints)
        except InputError as error:
            targets.failed.append(error)
            continue
        write_bytes(target, data)
        targets.notes += notes
        written.append(target)
    code = 0 if not targets.failed else 4 if written or kept else InputError.exit_code
    folder = _folder(source, settings.output)
    lines = [*map(str, written[:_SHOWN]), *(["..."] if len(written) > _SHOWN else [])]
    counts = {"written": len(written), "skipped": len(kept), "failed": len(targets.failed)}
    lines.append(f"{folder}: " + ", ".join(f"{n} {name}" for name, n in counts.items()))
    return Result(
        "export", "ok" if not code else "partial" if code == 4 else "failed", code,
        "\n".join(lines), outputs=written + kept, counts=counts, warnings=targets.notes,
        errors=targets.failed,
    )  # fmt: skip


def _targets(source: Path, clip_ids: Sequence[str], settings: ExportSettings) -> _Targets:
    """Compare what is asked for with what is there. Raises `UsageError` for files in the way."""
    clips = list(_clips(source, clip_ids))
    output = settings.output
    if output is not None and output.suffix == ".pose" and len(clips) > 1:
        raise UsageError(
            f"one file for {len(clips)} clips", where=str(output), hint="give -o a folder"
        )
    targets, in_the_way = _Targets(), list[Path]()
    for keypoints in clips:
        target = _folder(source, output) / f"{keypoints.stem}.pose"
        if output is not None and output.suffix == ".pose":
            target = output
        if not target.exists():
            targets.todo[target] = keypoints
        elif _is_same(target, keypoints):
            targets.there.append(target)
        elif settings.overwrite:
            targets.todo[target] = keypoints
        else:
            in_the_way.append(target)
    if in_the_way:
        raise UsageError(
            f"{len(in_the_way)} files are there with another content: "
            + ", ".join(path.name for path in in_the_way[:_SHOWN]),
            where=str(in_the_way[0].parent), hint="add --overwrite, or choose another -o FOLDER",
        )  # fmt: skip
    return targets


def _is_same(target: Path, keypoints: Path) -> bool:
    try:
        return target.is_file() and target.read_bytes() == _content(keypoints)[0]
    except InputError:
        return False


def _folder(source: Path, output: Path | None) -> Path:
    if output is not None:
        return output.parent if output.suffix == ".pose" else output
    return EXPORTS / f"{source.absolute().stem}-pose"


def _clips(source: Path, clip_ids: Sequence[str]) -> Iterator[Path]:
    """Keypoint files of the wanted clips."""
    if source.is_file():
        if clip_ids:
            raise UsageError(
                "a single keypoint file has no clips to choose from", where=str(source),
                hint="name the corpus folder instead",
            )  # fmt: skip
        yield source
        return
    corpus = CorpusPaths.from_root(source)
    found = corpus.keypoints_dir.glob("[!.]*.np[yz]") if corpus.keypoints_dir.is_dir() else ()
    names = sorted({path.stem for path in found})
    if not names:
        raise InputError(
            "no clips: keypoints/ holds no .npz", where=str(source),
            hint="name a corpus folder that slt extract wrote, or a keypoint file",
        )  # fmt: skip
    for name in clip_ids or names:
        if name not in names:
            near = get_close_matches(name, names, n=3)
            raise UsageError(
                f"no clip {name!r}" + (f"; did you mean {' or '.join(near)}?" if near else ""),
                where=str(source), hint=f"ls {corpus.keypoints_dir}",
            )  # fmt: skip
        yield corpus.keypoints(name)


def _content(path: Path) -> tuple[bytes, list[str]]:
    """The `.pose` file of a clip, and what it cannot tell. Raises `InputError`."""
    clip = load_clip_keypoints(path)
    if not len(clip):
        raise InputError("the clip has no frame", where=str(path))
    notes = []
    steps = np.diff(clip.time_s)
    if len(steps) and np.abs(steps - np.median(steps)).max() > _UNEVEN * np.median(steps):
        notes.append(
            f"{path.stem}: its frames are not evenly spaced; .pose keeps one frame rate only"
        )
    if clip.frame_size == UNKNOWN_SIZE:
        notes.append(
            f"{path.stem}: its picture size is unknown, {DEFAULT_SIZE[0]} x {DEFAULT_SIZE[1]} "
            "written"
        )
    pose = pose_of(
        np.dstack([clip.keypoints[..., :2], clip.z]), clip.keypoints[..., 2], clip.valid,
        get_layout(clip.layout), clip.frame_size, _fps(clip),
    )  # fmt: skip
    return pose_bytes(pose), notes


def _fps(clip: ClipKeypoints) -> Fraction:
    """The clip's own frame rate; that of its video counts only when no frames were left out."""
    steps = np.diff(clip.time_s)
    step_s = float(np.median(steps)) if len(steps) else 0.0
    if clip.fps is not None and (not step_s or abs(step_s * clip.fps - 1) < _SAME_RATE):
        return clip.fps
    seconds = float(steps.sum()) if len(steps) else 0.0
    measured = rational_fps(len(steps) / seconds) if seconds > 0 else None
    return measured or Fraction(ASSUMED_FPS)
