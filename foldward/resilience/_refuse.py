"""How a wrong setting is refused: at construction, with the limit."""

import math

from foldward.contracts.errors import ConfigError


class BadSetting(ConfigError, ValueError):
    """ConfigError `config.invalid`; also a ValueError, which is what Python callers expect here."""

    def __init__(self, field: str, value: object, rule: str) -> None:
        super().__init__("config.invalid", f"{field} is {value!r}; it must be {rule}", field=field)


def count(field: str, value: object) -> None:
    """Refuses what is not a whole number >= 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BadSetting(field, value, "a whole number >= 1")


def seconds(field: str, value: object, *, zero: bool = False) -> None:
    """Refuses what is not a finite number of seconds > 0 (or >= 0 where `zero`)."""
    fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not fits or value < 0 or (value == 0 and not zero):  # type: ignore[operator]
        raise BadSetting(field, value, "a number of seconds " + (">= 0" if zero else "> 0"))
