"""A settings tree that remembers which of its fields were read."""

from typing import Any

from slt_cli.settings.root import Settings, section_classes


class RecordingSection:
    """Stands for one section: reading a field is noted as `section.field`."""

    def __init__(self, name: str, section: Any, read: set[str]) -> None:
        self._name, self._section, self._read = name, section, read

    def __getattr__(self, field: str) -> Any:
        if field.startswith("_"):  # asked by copy and pickle before the object is whole
            raise AttributeError(field)
        value = getattr(self._section, field)
        if field in type(self._section).model_fields:
            self._read.add(f"{self._name}.{field}")
        return value

    def __eq__(self, other: object) -> bool:
        return self._section == getattr(other, "_section", other)

    __hash__ = None  # type: ignore[assignment]


class RecordingSettings:
    """Stands for `Settings` in a pipeline; `read` holds every `section.field` that it asked for.

    `model_dump` and the other methods of the real tree pass through unnoted: writing all settings
    into `config.json` is not reading them. `__class__` is that of the tree, so that
    `isinstance(settings, Settings)` holds.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.read: set[str] = set()

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return Settings

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        value = getattr(self._settings, name)
        return RecordingSection(name, value, self.read) if name in section_classes() else value
