"""Timeframes: whole minutes, and the labels people write for them (M5, H1, D1, W1, MN)."""

import re

from foldward.contracts.errors import RequestError

_UNIT = {"M": 1, "H": 60, "D": 1440, "W": 10_080}
_LABEL = re.compile(r"([MHDW])([1-9][0-9]{0,5})|MN1?")
MONTH = 43_200  # MN: calendar months differ; spacing checks treat it as 28 to 31 days


def parse_timeframe(value: object) -> int:
    """Minutes for `60`, `"60"`, `"H1"`, `"M15"`, `"D1"`, `"W1"` or `"MN"`.

    Raises RequestError `request.bad_param` for anything else, and for values that are not whole or not > 0.
    """
    if isinstance(value, bool):
        raise _bad(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str):
        text = value.strip().upper()
        if text.isdigit():
            value = int(text)
        else:
            match = _LABEL.fullmatch(text)
            if match is None:
                raise _bad(value)
            value = MONTH if match[1] is None else _UNIT[match[1]] * int(match[2])
    if not isinstance(value, int) or value <= 0:
        raise _bad(value)
    return value


def timeframe_label(minutes: int) -> str:
    """The shortest label: 60 → H1, 1440 → D1, 43200 → MN, 7 → M7."""
    if minutes == MONTH:
        return "MN"
    for letter in "WDH":
        if minutes % _UNIT[letter] == 0:
            return f"{letter}{minutes // _UNIT[letter]}"
    return f"M{minutes}"


def _bad(value: object) -> RequestError:
    return RequestError(
        "request.bad_param",
        f"timeframe {value!r} is not a number of whole minutes > 0 nor a label such as M5, H1, D1, W1, MN",
        field="timeframe",
    )
