"""Which messages may hold an integer that 64 bits do not: the others are decoded the quick way."""

import pytest

from foldward.wire._quick import beyond_64_bits


@pytest.mark.parametrize(
    ("raw", "beyond"),
    [
        (b'{"seed":18446744073709551615}', False),
        (b'{"seed":18446744073709551616}', True),
        (b'{"a":1,"b":-10000000000000000000}', True),
        (b'{"b":-9223372036854775808}', False),
        (b'{"seed":17019063792844989553,"n":100000000000000000000}', True),
        (b'{"id":"01a1fe34-d6c0-7ec4-a2c0-a8b6be106313"}', False),
        (b"12345678901234567890", False),
        (b"98765432109876543210", True),
        (b"", False),
    ],
)
def test_a_run_of_twenty_digits_is_looked_at(raw: bytes, beyond: bool) -> None:
    assert beyond_64_bits(raw) is beyond
