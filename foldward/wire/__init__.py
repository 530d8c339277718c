"""What is said on the wire: two encodings of one schema (docs/INTERFACES.md). Links: `wire.links`."""

from foldward.contracts.errors import WireError
from foldward.wire._limits import MAX_DEPTH, MAX_FRAME
from foldward.wire.codec import dumps, encoding_of, loads
from foldward.wire.names import strip_suffix, with_suffix

__all__ = [
    "MAX_DEPTH",
    "MAX_FRAME",
    "WireError",
    "dumps",
    "encoding_of",
    "loads",
    "strip_suffix",
    "with_suffix",
]
