"""Docs that would go stale silently are compared with what they describe."""

from __future__ import annotations

import re
import tomllib
from contextlib import nullcontext
from pathlib import Path

import pytest

from slt_cli.cli.config import settings_table
from slt_cli.errors import SltError, UsageError
from slt_cli.pipelines.validate import all_rules
from slt_cli.pipelines.validation.text import rules_markdown
from slt_cli.settings.load import OTHER_VARIABLES
from slt_cli.settings.preset_files import list_presets
from tests.settings.test_fields import COMMANDS, click_command
from tests.test_architecture import ALLOWED, EVERYONE

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))
FLAGS_OF_OTHERS = {"--logdir", "--nproc-per-node"}  # of TensorBoard and torchrun


def page(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def test_the_settings_page_is_the_table_of_the_settings() -> None:
    assert page("docs/settings.md").rstrip().endswith(settings_table()), (
        "write it again: slt config schema --markdown prints the table"
    )


def test_the_settings_page_names_every_other_variable() -> None:
    told = set(re.findall(r"`(SLT_[A-Z_]+)`", page("docs/settings.md")))
    assert told - {"SLT_OPTIM_LR"} == OTHER_VARIABLES


def test_every_dependency_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    architecture = page("docs/architecture.md")
    names = [re.split(r"[<>=\[ ;]", line)[0] for line in project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        names += [re.split(r"[<>=\[ ;]", line)[0] for line in extra]
    assert [name for name in names if f"`{name}`" not in architecture] == []


def test_every_exit_code_is_documented() -> None:
    pages = page("README.md") + page("docs/architecture.md")

    def classes(cls: type[SltError]) -> set[int]:
        codes = {cls.exit_code}
        return codes.union(*(classes(sub) for sub in cls.__subclasses__()))

    for code in classes(SltError):
        assert re.search(rf"\b{code}\b", pages), code


def test_the_readme_holds_exactly_the_two_commands_that_ci_runs() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    commands = re.findall(r"^python3 -m venv \.venv && .*$", readme, re.MULTILINE)
    assert [command.split()[-1] for command in commands] == ["demo", ".venv/bin/pytest"]
    assert "README.md" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_pinned_versions_satisfy_the_ranges() -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    for text in project["dependencies"]:
        requirement = Requirement(text)
        if requirement.name in pins:
            assert requirement.specifier.contains(pins[requirement.name]), text


def test_every_validation_rule_is_documented() -> None:
    assert page("docs/validating.md").rstrip().endswith(rules_markdown(all_rules()).rstrip()), (
        "write it again: the rules have changed"
    )


def rows(text: str, columns: int) -> list[list[str]]:
    """The cells of every row of that many columns."""
    lines = [line.strip("| ") for line in text.splitlines() if line.startswith("|")]
    found = [[cell.strip() for cell in line.split(" | ")] for line in lines]
    return [cells for cells in found if len(cells) == columns and "---" not in cells[0]]


def section(name: str, heading: str) -> str:
    return page(name).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_the_table_of_folders_has_the_arrows_of_the_code() -> None:
    others = set(ALLOWED) - EVERYONE - {"__main__", "cli", "pipelines"}
    told = {}
    for name, _, targets in rows(section("docs/architecture.md", "How data flows"), 3):
        names = others if targets == "all but cli" else set(re.findall(r"\w+", targets))
        told[name.strip("`/").removesuffix(".py")] = names
    del told["folder"]
    assert told == {
        room: arrows for room, arrows in ALLOWED.items() if room not in {"", "__main__"}
    }


def test_every_file_that_a_page_names_is_there() -> None:
    folders = ("docs", "examples", "slt_cli", "tests")
    known = {f"/{p.relative_to(ROOT).as_posix()}" for f in folders for p in (ROOT / f).rglob("*.*")}
    for name in ("docs/architecture.md", "docs/training.md"):
        files = re.findall(r"`([a-z_][\w/]*\.(?:py|toml|svg))", page(name))
        assert files
        assert [f for f in files if not any(k.endswith(f"/{f}") for k in known)] == [], name


@pytest.mark.parametrize("name", [*PAGES, "README.md", "CHANGELOG.md"])
def test_every_link_between_pages_leads_somewhere(name: str) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page(name)):
        file = (ROOT / name).parent / target if target else ROOT / name
        assert file.is_file(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", t).lower().replace(" ", "-") for t in titles}


@pytest.mark.parametrize("name", ["README.md", "docs/training.md"])
def test_every_flag_and_preset_that_a_page_names_is_one(name: str) -> None:
    flags = {flag for path in COMMANDS for p in click_command(path).params for flag in p.opts}
    flags |= {flag for path in COMMANDS for p in click_command(path).params
              for flag in p.secondary_opts}  # fmt: skip
    named = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", page(name)))
    assert named - flags <= FLAGS_OF_OTHERS
    presets = set(re.findall(r"--preset ([\w-]+)", page(name)))
    assert presets <= {preset.name for preset in list_presets()}


def test_every_figure_of_an_epoch_is_explained() -> None:
    from slt_cli.training.epoch_record import SCORES, TERMS, epoch_record
    from slt_cli.training.state import Progress

    losses = dict.fromkeys((*TERMS, "loss", "token"), 1.0)
    means = losses | {"clips": 1.0, "frames": 1.0}
    written = {*epoch_record(Progress(), means, losses, {}, SCORES), "val_s"}
    table = rows(section("docs/training.md", "Metrics"), 2)
    told = [key for keys, _ in table for key in re.findall(r"`(\w+)`", keys)]
    assert sorted(told) == sorted(written)


def test_every_task_has_its_scores_in_the_table() -> None:
    from slt_cli.training.validation import check_validation

    names = {"BLEU": "bleu", "chrF": "chrf", "WER": "wer", "gloss WER": "gloss_wer"}
    table = rows(section("docs/training.md", "Tasks"), 3)[1:]
    assert [task for task, _, _ in table] == ["`sign2text`", "`sign2gloss`", "`gloss2text`"]
    for task, _, scores in table:
        for name, metric in names.items():
            told = nullcontext() if name in scores.split(", ") else pytest.raises(UsageError)
            with told:
                check_validation(task.strip("`"), metric, 1, glosses=True)
