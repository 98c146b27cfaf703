"""Texts become values by the field they are meant for; what a field cannot mean is refused."""

import math
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from slt_cli.settings.load import SettingsError, flat_values, load_settings, nearest_key
from slt_cli.settings.root import Settings, known_keys


def with_set(*assignments: str) -> Settings:
    return load_settings(assignments=assignments).settings


def problems_of(*assignments: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        with_set(*assignments)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("data.corpus=a=b=c", Path("a=b=c")),  # split at the first = only
        (" data.corpus = my corpus ", Path("my corpus")),
        ("data.corpus=null", Path("null")),  # not optional, so just a name
        ("data.face_dir=null", None),
        ("data.face_dir=none", None),
        ("data.face_dir=", None),
        ("data.work_dir=null", None),
        ("demo.epochs=7", 7),
        ("model.streams=face", ["face"]),
        ("model.streams=face, hand_left", ["face", "hand_left"]),
        ('model.streams=["face", "pose"]', ["face", "pose"]),
        ("data.keypoint_scale_range=0.5,2", (0.5, 2.0)),
        ("data.keypoint_rotate_range=-5,5", (-5.0, 5.0)),
        ("data.keypoint_rotate_range=[-5, 5]", (-5.0, 5.0)),
        ("training.resume=true", True),
        ("training.resume=no", False),
        ("training.resume=1", True),
        ("training.resume=off", False),
        ("optim.lr=1e-5", 1e-5),
        ("optim.lr=.5", 0.5),
        ("training.seed=007", 7),
        ("training.device=cuda:1", "cuda:1"),
    ],
)
def test_set(assignment, value):
    section, name = assignment.split("=")[0].strip().split(".")
    assert getattr(getattr(with_set(assignment), section), name) == value


@pytest.mark.parametrize(
    ("assignment", "fragments"),
    [
        ("model.mska_heads", ["expected section.key=value"]),
        ("model.mska_head", ["expected section.key=value", "did you mean model.mska_heads?"]),
        ("model.mska_head=6", ["unknown key", "did you mean model.mska_heads?"]),
        ("model.streams.5=face", ["unknown key", "did you mean model.streams?"]),
        ("=3", ["unknown key"]),
        ("model.streams=face,feet", ["feet"]),
        ("model.streams=[face", ["model.streams"]),
        ("model.streams=", ["at least 1"]),
        ("model.streams=face,face", ["must not repeat"]),
        ("data.keypoint_scale_range=1", ["data.keypoint_scale_range"]),
        ("data.keypoint_scale_range=1,2,3", ["data.keypoint_scale_range"]),
        ("training.epochs=3.5", ["integer", "'3.5'"]),
        ("training.epochs=true", ["integer"]),
        ("training.epochs=", ["integer"]),
        ("training.resume=maybe", ["boolean", "'maybe'"]),
        ("training.device=cpu:0", ["training.device"]),
        ("optim.scheduler=cosin", ["'none', 'step', 'cosine' or 'linear'", "'cosin'"]),
    ],
)
def test_set_refuses(assignment, fragments):
    (problem,) = problems_of(assignment)
    assert "--set #1" in problem
    for fragment in fragments:
        assert fragment in problem


@pytest.mark.parametrize(
    "value", ["nan", "inf", "-inf", "-1", "1e300", "1" * 5000, "1e400", "0x10"]
)
@pytest.mark.parametrize(
    "key", ["optim.lr", "training.epochs", "data.batch_size", "data.keypoint_translate_range"]
)
def test_numbers_that_are_no_use_are_refused(key, value):
    text = f"{value},{value}" if key.endswith("range") else value
    if (key, value) == ("data.keypoint_translate_range", "-1"):
        text = "-1e300,1"
    assert all(line.startswith(key) and len(line) < 400 for line in problems_of(f"{key}={text}"))


@pytest.mark.parametrize("json_text", ["[NaN, 1]", "[-Infinity, 1]", "[1e999, 1]"])
def test_json_in_set_cannot_smuggle_them_in(json_text):
    assert problems_of(f"data.keypoint_scale_range={json_text}")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("training: {epochs: true}", "training.epochs"),
        ("data: {corpus: false}", "data.corpus"),
        ("optim: {lr: .nan}", "optim.lr"),
        ("optim: {lr: -.inf}", "optim.lr"),
        ("training: {seed: 2024-01-01}", "training.seed"),
        ("model: {streams: face}", "model.streams"),
        ("data: {batch_size: [1]}", "data.batch_size"),
        ("data: {batch_size: null}", "data.batch_size"),
        ("data: {corpus: {a: 1}}", "data.corpus"),
    ],
)
def test_wrong_types_in_files_are_refused(tmp_path, text, key):
    (tmp_path / "a.yaml").write_text(text + "\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(config_files=[tmp_path / "a.yaml"])
    assert {problem.key for problem in caught.value.problems} == {key}
    assert caught.value.problems[0].place == f"{tmp_path / 'a.yaml'}:1"


@pytest.mark.parametrize(
    ("assignments", "fragments"),
    [
        (["model.d_model=50", "model.temporal_heads=4"], ["d_model (50)", "temporal_heads (4)"]),
        (["model.mska_width=24", "model.mska_heads=5"], ["mska_width (24)"]),
        (["model.d_model=60", "model.decoder_heads=7"], ["decoder_heads (7)"]),
        (["model.mska_temporal_kernel=4"], ["must be odd"]),
        (["data.keypoint_scale_range=2,1"], ["min 2.0 is above max 1.0"]),
        (["data.keypoint_scale_range=0,1"], ["must be above 0"]),
        (["data.keypoint_resample_range=-1,1"], ["must be above 0"]),
        (["pretrain.image_size=225"], ["multiple of patch_size (16)"]),
        (["pretrain.vit_heads=7"], ["vit_embed_dim (384)", "vit_heads (7)"]),
        (["pretrain.epochs=3", "pretrain.warmup_epochs=4"], ["longer than epochs (3)"]),
    ],
)
def test_settings_that_exclude_one_another_are_refused_with_both_places(assignments, fragments):
    (problem,) = problems_of(*assignments)
    for number in range(1, len(assignments) + 1):
        assert f"--set #{number}" in problem
    for fragment in fragments:
        assert fragment in problem


def test_every_contradiction_is_told_at_once():
    problems = problems_of(
        "model.d_model=50",
        "model.mska_temporal_kernel=4",
        "pretrain.epochs=3",
        "data.keypoint_rotate_range=1,0",
        "data.keypoint_scale_range=1,0.5",
    )
    text = "\n".join(problems)
    for fragment in ("temporal_heads", "odd", "longer than epochs", "rotate_range", "scale_range"):
        assert fragment in text
    assert len(problems) == 3  # one line per section


def as_text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(str(part) for part in value)
    return "null" if value is None else str(value)


@pytest.mark.parametrize("key", known_keys())
def test_every_default_can_be_written_and_means_itself(key):
    defaults = flat_values(Settings())
    settings = with_set(f"{key}={as_text(defaults[key])}")
    assert flat_values(settings) == defaults


# Key -> the keys that may follow from it.
FOLLOWERS = {
    "data.face_dir": {"model.streams"},
    "data.hand_left_dir": {"model.streams"},
    "data.hand_right_dir": {"model.streams"},
    "data.pose_dir": {"model.streams"},
    "model.temporal_heads": {"model.d_model"},
    "model.decoder_heads": {"model.d_model"},
    "model.decoder_prompt_text": {"model.decoder_prompt_init"},
    "model.decoder_prompt_tokens": {"model.decoder_prompt_init"},
    "training.allow_download": {
        "data.tokenizer_local_files_only",
        "model.decoder_local_files_only",
    },
}


@settings(max_examples=50)
@given(st.sampled_from(known_keys()), st.text(max_size=30))
@example("data.face_dir", "faces")
@example("model.temporal_heads", "6")
@example("model.decoder_heads", "0")
@example("model.decoder_prompt_text", "to Spanish")
@example("training.allow_download", "yes")
def test_any_text_for_any_key_changes_that_key_and_what_follows_or_is_a_problem(key, text):
    defaults = flat_values(Settings())
    try:
        found = flat_values(with_set(f"{key}={text}"))
    except SettingsError as error:
        places = [problem.place for problem in error.problems]
        found = defaults if all("--set #1" in place for place in places) else {}
    changed = {k for k, v in defaults.items() if found[k] != v}
    assert changed <= {key} | FOLLOWERS.get(key, set())


@given(st.text(min_size=1, max_size=40).filter(lambda text: text.strip()))
def test_a_path_keeps_every_character_after_the_first_equals_sign(text):
    assert with_set(f"data.corpus={text}").data.corpus == Path(text.strip())


@given(st.floats(1e-9, 10))
def test_floats_pass_unchanged(value):
    assert with_set(f"optim.lr={value!r}").optim.lr == value


@given(st.tuples(st.floats(-360, 360), st.floats(-360, 360)).map(sorted))
def test_ranges_pass_unchanged_in_both_spellings(pair):
    low, high = pair
    for text in (f"{low!r},{high!r}", f"[{low!r}, {high!r}]"):
        assert with_set(f"data.keypoint_rotate_range={text}").data.keypoint_rotate_range == (
            low,
            high,
        )


@given(st.text(max_size=20), st.lists(st.text(max_size=20), max_size=5))
def test_the_nearest_name_is_a_known_one_or_none(key, known):
    near = nearest_key(key, known)
    assert near is None or near in known or near in {name.rsplit(".", 1)[-1] for name in known}


def test_no_bound_is_infinite():
    """A bound that is no bound would let `inf` or a typing slip through."""
    schema = Settings.model_json_schema()

    def numbers(node):
        if isinstance(node, dict):
            for value in node.values():
                yield from numbers(value)
        elif isinstance(node, list):
            for value in node:
                yield from numbers(value)
        elif isinstance(node, float):
            yield node

    assert all(math.isfinite(number) for number in numbers(schema))
