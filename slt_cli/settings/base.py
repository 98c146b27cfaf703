"""What every settings section shares: strictness and the `setting` helper."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator


class Section(BaseModel):
    """A group of settings: unknown keys are errors, values never change after loading."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        allow_inf_nan=False,
        defer_build=True,  # `slt --help` needs the fields, not the validators
    )

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse `epochs: true`, which Pydantic would read as 1."""
        if (
            isinstance(value, bool)
            and cls.model_fields[str(info.field_name)].annotation is not bool
        ):
            raise ValueError("must not be true or false")
        return value

    @model_validator(mode="after")
    def _nothing_contradicts(self) -> Self:
        if problems := list(self.contradictions()):
            raise ValueError("; ".join(problems))
        return self

    def contradictions(self) -> Iterable[str]:
        """Settings of this section that exclude one another, each in one sentence."""
        return ()


def setting(
    default: Any,
    description: str,
    *,
    flag: str | None = None,
    short: str | None = None,
    **rules: Any,
) -> Any:
    """Declare one setting: its default, its bounds and the one sentence used as help everywhere.

    `flag` replaces the flag derived from the field name (`batch_size` gives `--batch-size`),
    `short` adds a one-letter form. `rules` are Pydantic constraints such as `ge=1`.
    """
    extra: dict[str, Any] = {
        name: value for name, value in (("flag", flag), ("short", short)) if value
    }
    return Field(default, description=description, json_schema_extra=extra or None, **rules)


def multiple_of(section: Section, *pairs: tuple[str, str]) -> Iterator[str]:
    """Say which of the (whole, part) pairs of fields do not divide."""
    for whole, part in pairs:
        a, b = getattr(section, whole), getattr(section, part)
        if a % b:
            yield f"{whole} ({a}) must be a multiple of {part} ({b})"
