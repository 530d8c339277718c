"""The buckets that durations are counted in: log-linear, as HdrHistogram has them."""

from __future__ import annotations


def bucket_of(us: int) -> int:
    """The bucket of a duration: exact below 64 µs, then 64 buckets an octave."""
    if us < 64:
        return us
    octave = us.bit_length() - 7
    return (octave + 1) * 64 + (us >> octave) - 64


def bucket_middle(bucket: int) -> float:
    """The middle of a bucket, in microseconds: within 0.8 % of everything in it."""
    if bucket < 64:
        return float(bucket)
    octave = bucket // 64 - 1
    return ((64 + bucket % 64) << octave) + ((1 << octave) - 1) / 2
