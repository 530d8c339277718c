"""What a person types for a seed, a moment, a span or a grid, as the value that it means."""

from __future__ import annotations

import re
from pathlib import Path

from foldward.console.spans import LONGEST_S, UNITS_S
from foldward.contracts.errors import ConfigError, RequestError
from foldward.contracts.jobs import MAX_SEED


def seed_of(text: str) -> int:
    """A seed, 0 to 2^64 − 1. Raises RequestError request.bad_seed."""
    try:
        seed = int(text)
    except ValueError:
        seed = -1
    if not 0 <= seed <= MAX_SEED:
        raise RequestError("request.bad_seed", f"{text!r} is not a seed", field="seed")
    return seed


def moment_of(name: str, text: str | None) -> int | None:
    """Unix seconds of `--start` or `--end`; ISO-8601 without a zone is UTC, a date alone its first second."""
    if text is None:
        return None
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    import datetime as dt

    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise RequestError(
            "request.bad_window", f"--{name} {text!r} is neither Unix seconds nor ISO-8601", field=name
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp())


def span(text: str) -> int | str:
    """Bars as a number, a duration as it is."""
    return int(text) if text.isdecimal() else text


def seconds(text: str, option: str) -> float:
    """A span such as 30m, 24h, 7d, or plain seconds. Raises ConfigError, naming the option."""
    match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,9})?)([smhdw]?)", text.strip())
    if match is None:
        raise ConfigError("config.usage", f"{option} {text!r} is not a span such as 30m, 24h, 7d")
    found = float(match[1]) * UNITS_S[match[2] or "s"]
    if found > LONGEST_S:
        raise ConfigError("config.usage", f"{option} {text!r} is more than a thousand years")
    return found


def grid_of(file: Path) -> dict[str, list[float]]:
    """Parameter → values, from TOML or JSON. Raises ConfigError."""
    import json
    import tomllib

    try:
        text = file.read_text(encoding="utf-8")
        plain = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise ConfigError("config.unreadable", f"{file} cannot be read: {error}", file=str(file)) from error
    axes = plain.get("grid", plain) if isinstance(plain, dict) else None
    if not isinstance(axes, dict):
        raise ConfigError("config.invalid", f"{file} is not a table of parameters", hint="period = [10, 20]")
    for key, values in axes.items():
        if not isinstance(values, list) or not values:
            raise ConfigError(
                "config.invalid", f"{key} in {file} is not a list of numbers", hint="period = [10, 20]"
            )
    return dict(axes)
