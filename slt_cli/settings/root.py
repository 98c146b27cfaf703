"""The whole tree: what a configuration file may contain."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field
from pydantic.fields import FieldInfo

from slt_cli.settings.base import Section
from slt_cli.settings.data import DataSettings
from slt_cli.settings.evaluate import (
    CheckSettings,
    DemoSettings,
    EvalSettings,
    ExportSettings,
    TranslateSettings,
)
from slt_cli.settings.extract import ExtractSettings
from slt_cli.settings.model import ModelSettings
from slt_cli.settings.pretrain import PretrainSettings
from slt_cli.settings.training import OptimSettings, TrainingSettings


class Settings(Section):
    """Every section. One file may serve all commands: each command reads its own sections."""

    data: DataSettings = Field(default_factory=DataSettings)
    model: ModelSettings = Field(default_factory=ModelSettings)
    optim: OptimSettings = Field(default_factory=OptimSettings)
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    extract: ExtractSettings = Field(default_factory=ExtractSettings)
    check: CheckSettings = Field(default_factory=CheckSettings)
    pretrain: PretrainSettings = Field(default_factory=PretrainSettings)
    eval: EvalSettings = Field(default_factory=EvalSettings)
    translate: TranslateSettings = Field(default_factory=TranslateSettings)
    export: ExportSettings = Field(default_factory=ExportSettings)
    demo: DemoSettings = Field(default_factory=DemoSettings)


def section_classes() -> dict[str, type[Section]]:
    """Section name -> class, in the order of the tree."""
    return {
        name: field.annotation
        for name, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    }


def iter_fields(*wanted: str) -> Iterator[tuple[str, str, FieldInfo]]:
    """Yield (section, field name, field) of the wanted sections or `section.field`s, or of all."""
    for section, cls in section_classes().items():
        for name, field in cls.model_fields.items():
            if not wanted or section in wanted or f"{section}.{name}" in wanted:
                yield section, name, field


def known_keys() -> list[str]:
    """Every `section.field`."""
    return [f"{section}.{name}" for section, name, _ in iter_fields()]


def flag_of(name: str, field: FieldInfo) -> str:
    """The command-line flag of a field: `batch_size` -> `--batch-size`, unless it names its own."""
    extra = field.json_schema_extra
    own = extra.get("flag") if isinstance(extra, dict) else None
    return str(own) if own else "--" + name.replace("_", "-")
