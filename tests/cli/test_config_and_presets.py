"""`slt config` and `slt presets`: what they print, write and refuse; shell completion."""

import json
import resource
import subprocess

import pytest

from slt_cli.settings.root import Settings, iter_fields, known_keys
from tests.cli.run_slt import SLT, clean_environment, files_in, json_object, slt


def test_config_show_prints_every_key_with_its_origin(tmp_path):
    (tmp_path / "a.yaml").write_text("training:\n  seed: 5\n")
    done = slt(
        "config", "show", "--preset", "tiny-cpu", "--config", "a.yaml", "--set", "optim.lr=0.5",
        cwd=tmp_path, SLT_DATA_BATCH_SIZE="7",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    lines = dict(line.split(" = ", 1) for line in done.stdout.splitlines())
    assert list(lines) == known_keys()
    assert lines["training.seed"] == "5  <- a.yaml:2"
    assert lines["optim.lr"] == "0.5  <- --set #1"
    assert lines["data.batch_size"] == "7  <- variable SLT_DATA_BATCH_SIZE"
    assert lines["data.face_dir"] == "null  <- default"
    assert lines["model.d_model"].startswith("48  <- preset tiny-cpu:")


def test_config_show_json_says_the_same(tmp_path):
    facts = json_object(slt("config", "show", "--set", "model.streams=face,pose", "--json"))[
        "facts"
    ]
    assert list(facts) == known_keys()
    assert facts["model.streams"] == {"value": ["face", "pose"], "origin": "--set #1"}


def test_config_show_notes_variables_that_mean_nothing():
    done = slt("config", "show", SLT_COLOUR="red")
    assert done.returncode == 0
    assert "SLT_COLOUR" in done.stderr
    assert "SLT_COLOUR" not in done.stdout


def test_a_key_and_its_value_may_be_two_words():
    done = slt("config", "show", "--set", "training.seed", "5", "--json")
    assert json_object(done)["facts"]["training.seed"]["value"] == 5


def test_the_schema_describes_every_key_with_its_default():
    schema = json.loads(slt("config", "schema").stdout)
    assert schema == json.loads(json.dumps(Settings.model_json_schema()))
    assert set(schema["properties"]) == {section for section, _, _ in iter_fields()}


def test_the_markdown_table_has_a_row_per_key():
    rows = slt("config", "schema", "--markdown").stdout.splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == known_keys()


def test_diff_names_the_keys_that_differ_and_nothing_else(tmp_path):
    (tmp_path / "a.yaml").write_text("optim: {lr: 0.1}\ntraining: {seed: 3}\n")
    (tmp_path / "b.json").write_text('{"optim": {"lr": 0.2}, "training": {"seed": 3}}')
    run = tmp_path / "run"
    run.mkdir()
    tree = Settings().model_dump(mode="json")
    tree["optim"]["lr"] = 0.2
    tree["training"]["seed"] = 3
    (run / "config.json").write_text(json.dumps({"settings": tree}))
    for second in ("b.json", "run"):
        done = slt("config", "diff", "a.yaml", second, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, "optim.lr: 0.1 -> 0.2\n")
    same = json_object(slt("config", "diff", "b.json", "run", "--json", cwd=tmp_path))
    assert same["facts"] == {}


@pytest.mark.parametrize("content", ["{", '{"settings": {"a": 1}}'])
def test_diff_with_a_damaged_run_is_bad_input(tmp_path, content):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(content)
    done = slt("config", "diff", "run", "tiny-cpu", cwd=tmp_path)
    assert done.returncode == 3
    assert "run/config.json" in done.stderr


def test_presets_list_has_one_line_per_preset():
    from slt_cli.settings.preset_files import list_presets

    presets = list_presets()
    lines = slt("presets", "list").stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [[p.name, p.verb] for p in presets]
    facts = json_object(slt("presets", "list", "--json"))["facts"]
    assert [p["name"] for p in facts["presets"]] == [p.name for p in presets]


def test_a_preset_shown_and_used_as_a_file_is_the_preset(tmp_path):
    (tmp_path / "a.yaml").write_text(slt("presets", "show", "tiny-cpu").stdout)
    done = slt("config", "diff", "a.yaml", "tiny-cpu", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")


def test_copy_writes_one_file_and_says_which(tmp_path):
    done = slt("presets", "copy", "tiny_cpu", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "tiny-cpu.yaml\n")
    assert files_in(tmp_path) == {"tiny-cpu.yaml"}
    shown = slt("presets", "show", "tiny-cpu").stdout
    assert (tmp_path / "tiny-cpu.yaml").read_text() == shown


def test_copy_keeps_an_existing_file_unless_told(tmp_path):
    target = tmp_path / "mine.yaml"
    target.write_text("mine")
    refused = slt("presets", "copy", "tiny-cpu", "mine.yaml", cwd=tmp_path)
    assert refused.returncode == 2
    assert "mine.yaml" in refused.stderr
    assert target.read_text() == "mine"
    value = json_object(
        slt("presets", "copy", "tiny-cpu", "mine.yaml", "--overwrite", "--json", cwd=tmp_path)
    )
    assert value["outputs"] == ["mine.yaml"]
    assert target.read_text() != "mine"
    assert files_in(tmp_path) == {"mine.yaml"}


def test_copy_dry_run_writes_nothing(tmp_path):
    done = slt("presets", "copy", "tiny-cpu", "--dry-run", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "would write tiny-cpu.yaml\n")
    assert files_in(tmp_path) == set()


def test_copy_into_a_place_that_is_no_folder_names_it(tmp_path):
    (tmp_path / "file").write_text("")
    done = slt("presets", "copy", "tiny-cpu", "file/a.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert "at:   file" in done.stderr
    assert files_in(tmp_path) == {"file"}


def test_copy_to_a_full_disk_exits_6_and_keeps_the_old_file(tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    (tmp_path / "a.yaml").write_text("old")
    done = subprocess.run(
        [*SLT, "presets", "copy", "tiny-cpu", "a.yaml", "--overwrite", "--json"],
        cwd=tmp_path, env=clean_environment(PYTHONDONTWRITEBYTECODE="1"), preexec_fn=limit,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert json_object(done)["errors"][0]["code"] == "SLT-E006"
    assert done.returncode == 6
    assert (tmp_path / "a.yaml").read_text() == "old"
    assert files_in(tmp_path) == {"a.yaml"}


def complete(words: str) -> list[str]:
    """What bash would offer for the last word."""
    done = slt(
        _SLT_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(len(words.split(" ")) - 1)
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_completion_offers_presets_of_the_verb():
    assert set(complete("slt train --preset ")) >= {"tiny-cpu", "keypoints-small"}
    assert complete("slt train --preset ti") == ["tiny-cpu"]
    assert "dino-face" in complete("slt pretrain --preset ")
    assert "dino-face" not in complete("slt train --preset ")
    assert "dino-face" in complete("slt presets show ")


def test_completion_offers_keys_choices_and_commands():
    assert complete("slt train --set model.mska_he") == ["model.mska_heads="]
    assert complete("slt config show --set optim.") == [
        f"{key}=" for key in known_keys() if key.startswith("optim.")
    ]
    assert complete("slt train --scheduler co") == ["cosine"]
    assert complete("slt tra") == ["train", "translate"]
    assert complete("slt train --mska-he") == ["--mska-heads"]
