"""Whether train, val and test are there, complete, and unknown to each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from slt_cli.corpus.rules.corpus import Corpus
from slt_cli.corpus.rules.rule import corpus_rule
from slt_cli.corpus.splits import near_duplicate_groups


@corpus_rule("S001", "warning", "split missing", why="training needs train and val")
def splits_there(corpus: Corpus) -> Iterator[str]:
    """There are lists for train and val."""
    yield from (split for split in ("train", "val") if split not in corpus.splits)


@corpus_rule(
    "S002", "error", "listed in a split, but there is no such clip", why="training stops there"
)
def members_exist(corpus: Corpus) -> Iterator[str]:
    """Every listed id is a clip."""
    ids = corpus.ids
    for split, members in corpus.splits.items():
        yield from (f"{split}: {video_id}" for video_id in members if video_id not in ids)


@corpus_rule(
    "S003", "error", "clip in more than one split", why="scores on it would be scores on training"
)
def splits_apart(corpus: Corpus) -> Iterator[str]:
    """No id is listed twice."""
    for video_id, splits in _homes(corpus, lambda video_id: video_id).items():
        if len(splits) > 1:
            yield f"{video_id}: {', '.join(splits)}"


@corpus_rule(
    "S004", "warning", "sentence of training also in another split",
    why="the same or nearly the same text can be remembered instead of translated",
)  # fmt: skip
def sentences_apart(corpus: Corpus) -> Iterator[str]:
    """Texts of val and test are not, or nearly, those of train."""
    listed = [
        (split, video_id)
        for split in corpus.splits
        for video_id in corpus.splits[split]
        if corpus.texts.get(video_id)
    ]
    groups = near_duplicate_groups([corpus.texts[video_id] for _, video_id in listed])
    trained: dict[int, str] = {}
    for (split, video_id), group in zip(listed, groups, strict=True):
        if split == "train":
            trained.setdefault(group, video_id)
        elif group in trained:
            text = corpus.texts[video_id]
            yield f"{split} {video_id}: {text!r}, in training as {trained[group]}"


@corpus_rule(
    "S005", "warning", "video of training also in another split",
    why="signer, clothes and topic are known from training (slt validate CORPUS --make-splits)",
)  # fmt: skip
def videos_apart(corpus: Corpus) -> Iterator[str]:
    """Clips cut out of one video are in one split."""
    names = {clip.video_id: clip.source_name for clip in corpus.readable}
    homes = _homes(corpus, lambda i: corpus.videos.get(i) or names.get(i, ""))
    for video, splits in homes.items():
        if _leaks(splits):
            yield f"{video}: {', '.join(splits)}"


@corpus_rule(
    "S006", "warning", "signer of training also in another split",
    why="scores then say little about people never seen",
)  # fmt: skip
def signers_apart(corpus: Corpus) -> Iterator[str]:
    """Where meta.csv names signers, each is in one split."""
    for signer, splits in _homes(corpus, lambda i: corpus.signers.get(i, "")).items():
        if _leaks(splits):
            yield f"{signer}: {', '.join(splits)}"


@corpus_rule("S007", "warning", "clip in no split", why="it is neither trained on nor tested")
def all_listed(corpus: Corpus) -> Iterator[str]:
    """Where there are splits, every clip is in one."""
    listed = {video_id for members in corpus.splits.values() for video_id in members}
    yield from sorted(corpus.ids - listed) if listed else ()


@corpus_rule("S008", "error", "listed in a split, but has no text", why="training stops there")
def members_have_text(corpus: Corpus) -> Iterator[str]:
    """Every listed clip is in meta.csv."""
    for split, members in corpus.splits.items() if corpus.texts else ():
        yield from (f"{split}: {i}" for i in members if i in corpus.ids and i not in corpus.texts)


def _homes(corpus: Corpus, kind: Callable[[str], str]) -> dict[str, list[str]]:
    """What `kind` says of the listed clips -> the splits it occurs in, in order."""
    homes: dict[str, list[str]] = defaultdict(list)
    for split, members in corpus.splits.items():
        for video_id in members:
            if (name := kind(video_id)) and split not in homes[name]:
                homes[name].append(split)
    return homes


def _leaks(splits: list[str]) -> bool:
    return "train" in splits and len(splits) > 1
