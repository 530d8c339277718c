"""Limits that hold before anything is parsed: how large a message may be and how deeply nested."""

from __future__ import annotations

import re

from foldward.contracts.errors import WireError

MAX_FRAME = 8 * 1024 * 1024
MAX_DEPTH = 64
LARGEST = 2**64 - 1  # no integer on the wire is beyond it, on either side of 0

# Strings are skipped whole. The closing quote is optional and the repeats possessive, so that no input,
# however broken, is scanned twice.
_JSON_MARKS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_SEXP_MARKS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|\(|\)', re.DOTALL)

_FIRST = (b"{", b"[", b"(")
_NO_MARKS = bytes(set(range(256)) - set(b'"[]{}'))
_PASSES = 6


def check_limits(raw: bytes, *, max_frame: int = MAX_FRAME) -> None:
    """Raise WireError `wire.oversize` or `wire.too_deep`, with the byte position, for what is beyond them."""
    if len(raw) > max_frame:
        raise WireError("wire.oversize", raw, max_frame, f"{len(raw)} bytes, allowed are {max_frame}")
    first = raw[:1]
    if first not in _FIRST:  # it is no message, however deep: noise is full of brackets
        return
    sexp = first == b"("
    openers = raw.count(b"(") if sexp else raw.count(b"[") + raw.count(b"{")
    if openers <= MAX_DEPTH or (not sexp and b"\\" not in raw and _shallow(raw)):
        return
    depth = 0
    for match in (_SEXP_MARKS if sexp else _JSON_MARKS).finditer(raw):
        mark = match[0]
        if mark in (b"(", b"[", b"{"):
            depth += 1
            if depth > MAX_DEPTH:
                raise WireError("wire.too_deep", raw, match.start(), f"nested deeper than {MAX_DEPTH} levels")
        elif mark in (b")", b"]", b"}"):
            depth -= 1


def _shallow(raw: bytes) -> bool:
    """Whether JSON without a backslash surely keeps the limit: a few passes in C, not one over each mark.

    Only brackets and quotes are kept. Two adjacent quotes are an empty string, or the end of one string and
    the beginning of the next: without them every bracket is still inside a string or still outside. A pair
    of adjacent brackets outside is a leaf, and without all leaves the rest is at most one level less deep.
    """
    marks = raw.translate(None, _NO_MARKS).replace(b'""', b"")
    for level in range(_PASSES):
        if marks.count(b"[") + marks.count(b"{") + level <= MAX_DEPTH:
            return True
        marks = marks.replace(b"{}", b"").replace(b"[]", b"")
    return False
