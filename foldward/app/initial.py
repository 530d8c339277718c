"""The first foldward.toml: every setting with its default and its meaning, commented out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from foldward.files import atomic_write
from foldward.settings import Settings

HEAD = """# Foldward's settings. Every line shows a default: take away the '#' to change it.
# Precedence: flag > environment (FOLDWARD_SECTION__KEY) > this file > default.
# foldward config check FILE says what is wrong; foldward config show says what is in force.
"""


def settings_text() -> str:
    """The whole file as text."""
    return HEAD + "".join(_table(Settings(), ""))


def write_settings(file: Path) -> bool:
    """Write it unless there is a file already; True when it was written."""
    if file.exists():
        return False
    atomic_write(file, settings_text())
    return True


def _table(model: BaseModel, name: str) -> list[str]:
    lines: list[str] = []
    tables: list[str] = []
    for key, field in type(model).model_fields.items():
        value = getattr(model, key)
        path = f"{name}.{key}" if name else key
        if isinstance(value, BaseModel):
            tables += _table(value, path)
            continue
        meaning = f"  # {field.description}" if field.description else ""
        lines.append(f"#{key} = {_toml(value)}{meaning}\n")
    if lines and name:
        return [f"\n[{name}]\n", *lines, *tables]
    return [*lines, *tables]


def _toml(value: Any) -> str:
    if value is None:
        return '""  # not configured'
    if isinstance(value, SecretStr):
        return '""'
    return json.dumps(list(value) if isinstance(value, tuple) else value)
