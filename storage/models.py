"""peewee models of the cold tables, for questions whose filters are put together at run time.

The schema itself is `schema.sql`: STRICT tables, CHECK constraints and partial indexes are more than models
can say. What is asked thousands of times a second is fixed SQL. A test holds these columns to the file's.
"""

from __future__ import annotations

from typing import Any

from peewee import BlobField, CompositeKey, IntegerField, Model, TextField


class DeadLetter(Model):
    """`dead_letters`."""

    id = IntegerField(primary_key=True)
    reason = TextField()
    code = TextField()
    error = TextField()
    state = TextField()
    direction = TextField()
    first_seen = IntegerField()
    last_seen = IntegerField()
    count = IntegerField()
    attempts = IntegerField()
    peer = TextField()
    request_id = TextField(null=True)
    trace_id = TextField()
    name = TextField(null=True)
    outcome = TextField(null=True)
    note = TextField()
    closed_at = IntegerField(null=True)
    identity = BlobField()
    size = IntegerField()
    payload_crc = IntegerField()
    payload = BlobField()

    class Meta:
        table_name = "dead_letters"


class WfvRun(Model):
    """`wfv_runs`."""

    wfv_id = TextField(primary_key=True)
    name = TextField()
    kind = TextField()
    request_id = TextField()
    state = TextField()
    decision = TextField(null=True)
    started_at = IntegerField()
    deadline_at = IntegerField()
    finished_at = IntegerField(null=True)
    plan = TextField()
    detail = TextField()

    class Meta:
        table_name = "wfv_runs"


class Latency(Model):
    """`latencies`."""

    kind = TextField()
    what = TextField()
    bucket = IntegerField()
    count = IntegerField()
    total = IntegerField()
    low = IntegerField()
    high = IntegerField()

    class Meta:
        table_name = "latencies"
        primary_key = CompositeKey("kind", "what", "bucket")


MODELS: tuple[type[Any], ...] = (DeadLetter, Latency, WfvRun)


def columns(model: type[Any], names: tuple[str, ...]) -> list[Any]:
    """The model's fields of these names, in their order."""
    return [getattr(model, name) for name in names]
