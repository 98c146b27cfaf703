"""What every settings section shares: strictness and the `setting` helper."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A group of settings: unknown keys are errors, values never change after loading."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False
    )


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
    extra = {name: value for name, value in (("flag", flag), ("short", short)) if value}
    return Field(default, description=description, json_schema_extra=extra or None, **rules)
