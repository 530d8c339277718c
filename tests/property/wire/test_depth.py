"""The quick look at the depth of a message never accepts what the exact one refuses."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from foldward.contracts.errors import WireError
from foldward.wire import _limits

pytestmark = pytest.mark.slow
PIECES = ['"', "[", "]", "{", "}", '""', '"["', '"]"', "[]", "{}", "a", ",", ":", '"a":', "[" * 30, "]" * 30]


def exactly(raw: bytes) -> bool:
    """The deepest nesting, strings skipped whole, is within the limit."""
    depth = deepest = 0
    inside = False
    for character in raw:
        if character == 0x22:
            inside = not inside
        elif not inside and character in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif not inside and character in b"]}":
            depth -= 1
    return deepest <= _limits.MAX_DEPTH


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
@example("[" * 64 + '"]"' + "]" * 64)
@example("[" * 65 + '"]","]"' + "]" * 65)
@example('["]"' * 70)
def test_it_accepts_nothing_too_deep(text: str) -> None:
    raw = text.encode()
    if _limits._shallow(raw):
        assert exactly(raw)


def test_the_limit_itself_is_kept_to_the_level() -> None:
    _limits.check_limits(b"[" * 64 + b"]" * 64)
    with pytest.raises(WireError) as caught:
        _limits.check_limits(b"[" * 65 + b"]" * 65)
    assert caught.value.code == "wire.too_deep"


def test_a_long_list_of_trades_is_seen_to_be_shallow() -> None:
    trades = [{"timestamp": n, "pnl": 1.5, "tags": ["a", "b"], "place": {"x": [n]}} for n in range(500)]
    assert _limits._shallow(json.dumps({"result": {"trade_list": trades}}).encode())
