"""Secrets never leave the process: one place that knows what looks like one (spec 4.3).

Masked are the values of keys that name a secret, `key=value` pairs and Bearer tokens inside text, the user
part of URLs, and the path of webhook URLs (for those the path is the secret).
"""

from __future__ import annotations

import functools
import re
import traceback
from typing import Any

MASK = "***"
TRACE = "{extra[trace]}\n"  # the end of a log format whose records passed `mask_record`
_NAMES = (
    r"api[_-]?key|apikey|access[_-]?key|auth[_-]?token|token|passwd|password|pwd|secret|secret[_-]?key"
    r"|client[_-]?secret|private[_-]?key|webhook(?:[_-]?url)?|authorization"
)
_KEY = re.compile(rf"(?:^|[_\-.])(?:{_NAMES})s?$", re.IGNORECASE)
_PAIR = re.compile(
    rf"""((?:[A-Za-z0-9]+[_-])*(?:{_NAMES})["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s"'&,;}}\])]+)""",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)
_USER = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/@]+@", re.IGNORECASE)
_WEBHOOK = re.compile(
    r"(\bhttps?://(?=[^\s\"']*hook|[^\s/]+/bot\d)[^\s/\"']+)/[^\s\"']*", re.IGNORECASE
)  # hooks.slack.com/…, discord.com/api/webhooks/…, api.telegram.org/bot123:…
# Notification URLs carry their token in host and path: discord://ID/TOKEN, tgram://TOKEN/CHAT, json://…
_NOTIFY = re.compile(
    r"\b(discord|slack|tgram|telegram|pover|mailtos?|msteams|gchat|matrixs?|jsons?|xmls?|forms?|ntfys?)://[^\s\"']+",
    re.IGNORECASE,
)
_BARE = frozenset({int, float, bool, type(None)})
_DEPTH = 12


@functools.lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a key of that name holds a secret: `api_key`, `curve_secret_key`, `Authorization` …"""
    return _KEY.search(name) is not None


def mask_text(text: str) -> str:
    """`text` with every secret in it replaced by `***`; masking twice changes nothing."""
    if not may_hold_secret(text):
        return text
    text = _NOTIFY.sub(rf"\1://{MASK}", text)
    text = _WEBHOOK.sub(rf"\1/{MASK}", text)
    text = _USER.sub(rf"\1{MASK}@", text)
    text = _BEARER.sub(rf"\1 {MASK}", text)
    return _PAIR.sub(rf"\1{MASK}", text)


def may_hold_secret(text: str) -> bool:
    """Whether one of the signs stands in it; written out, because every text of every event passes here."""
    low = text.lower()
    return (
        "://" in low
        or "key" in low
        or "token" in low
        or "passw" in low
        or "pwd" in low
        or "secret" in low
        or "webhook" in low
        or "authorization" in low
        or "bearer" in low
        or "basic" in low
    )


def mask_record(record: Any) -> None:
    """loguru's patcher: message and traceback are masked before any sink sees them.

    The traceback stands in `extra["trace"]`, with a line end before it, or is empty: a format function that
    ends with TRACE shows it, and loguru's own `{exception}` must not be in it.
    """
    record["message"] = mask_text(record["message"])
    caught = record["exception"]
    text = ""
    if caught is not None and caught.value is not None:
        told = traceback.format_exception(caught.type, caught.value, caught.traceback)
        text = "\n" + mask_text("".join(told).rstrip())
    record["extra"]["trace"] = text


def mask(value: Any, _depth: int = 0) -> Any:
    """A copy of plain data (dicts, lists, text, numbers) with its secrets masked; cut off below depth 12."""
    if isinstance(value, str):
        return mask_text(value)
    if _depth >= _DEPTH:
        return value if value is None or isinstance(value, bool | int | float) else MASK
    if isinstance(value, dict):
        return {name: _mask_item(name, inner, _depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [mask(inner, _depth + 1) for inner in value]
    return value


def _mask_item(name: Any, value: Any, depth: int) -> Any:
    if value and isinstance(name, str) and is_secret_name(name):
        return MASK
    if type(value) is str:
        return mask_text(value) if may_hold_secret(value) else value
    return value if type(value) in _BARE else mask(value, depth)
