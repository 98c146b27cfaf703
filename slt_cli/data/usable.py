"""Which clips of a split can be read, told before training instead of in the middle of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slt_cli.corpus.clip_files import POSE_NORM
from slt_cli.corpus.crop_store import CropStore
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.data.annotations import ClipRecord
from slt_cli.data.clip_head import pose_frames, read_head
from slt_cli.data.crops import CROP_FOLDERS
from slt_cli.data.inputs import ModelInputs
from slt_cli.errors import InputError

SKIP, FAIL = "skip", "fail"
"""What to do with damaged clips."""
_SHOWN = 5


def usable_records(
    corpus: CorpusPaths, records: Sequence[ClipRecord], inputs: ModelInputs, policy: str
) -> tuple[list[ClipRecord], list[str]]:
    """The records whose files can be read, and what is wrong with each of the others.

    Looks at what is cheap: whether the files are there, their shapes, the number of frames, whether
    there is a text. Not at the pixels of a crop, nor at the checksums of the points.

    Raises `InputError` naming the damaged clips when the policy is `fail` or nothing else is left,
    and for a damaged shard, which holds many clips.
    """
    store = CropStore(corpus) if set(CROP_FOLDERS) & set(inputs.streams) else None
    usable, problems = [], []
    for record in records:
        problem = next(_problems(corpus, record, inputs, store), None)
        if problem is None:
            usable.append(record)
        else:
            problems.append(f"{record.video_id}: {problem}")
    if problems and (policy == FAIL or not usable):
        raise InputError(
            damage_text(problems), where=str(corpus.root),
            hint=f"slt validate {corpus.root}"
            + ("; or leave them out: data.damaged_clips skip" if usable else ""),
        )  # fmt: skip
    return usable, problems


def damage_text(problems: Sequence[str]) -> str:
    """How many clips are damaged, and the first five with what is wrong, in one line."""
    shown = "; ".join(problems[:_SHOWN]) + ("; ..." if len(problems) > _SHOWN else "")
    return f"{len(problems)} damaged clips: {shown}"


def _problems(
    corpus: CorpusPaths, record: ClipRecord, inputs: ModelInputs, store: CropStore | None
) -> Iterator[str]:
    if not record.text:
        yield "no text is left of its target"
    try:
        frames = len(read_head(corpus.keypoints(record.video_id)).time_s)
        if not frames:
            yield "no frames"
        if "pose" in inputs.streams and inputs.pose == POSE_NORM:
            found = pose_frames(corpus.pose(record.video_id))
            if found != frames:
                yield f"{found} frames of pose for {frames} of keypoints"
    except InputError as error:
        yield f"{error.message.removeprefix(f'clip {record.video_id}: ')} ({error.where})"
        return
    for part, folder in CROP_FOLDERS.items():
        if store is not None and part in inputs.streams:
            found = len([f for f in store.frames(folder, record.video_id) if f < frames])
            if found != frames:
                yield f"{found} crops of {part} for {frames} frames"
