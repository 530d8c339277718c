"""The models say what the file says."""

import pytest
from peewee import BlobField, IntegerField

from storage.models import MODELS


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.table_name)
def test_a_model_has_the_columns_of_its_table(model, writer):
    table = model._meta.table_name
    found = [
        (name, kind, bool(needed) or bool(key))
        for _, name, kind, needed, _, key in writer._connection.execute(f"PRAGMA table_info({table})")
    ]
    kinds = {BlobField: "BLOB", IntegerField: "INTEGER"}
    said = [
        (field.column_name, kinds.get(type(field), "TEXT"), not field.null)
        for field in model._meta.sorted_fields
    ]
    assert sorted(said) == sorted(found)
