"""Rows in as few statements as there is room for."""

import pytest

from storage.writes._bulk import HEAVY, Bulk


def statements(bulk, rows):
    asked = []
    changed = bulk(lambda text, bindings: asked.append((text.count("("), bindings)), rows, lambda: 1)
    assert changed == len(asked)
    assert [value for _, bindings in asked for value in bindings] == [value for row in rows for value in row]
    return [size for size, _ in asked]


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(0, []), (1, [1]), (4, [4]), (7, [4, 1, 1, 1]), (64, [64]), (150, [64, 64, 16, 4, 1, 1])],
)
def test_rows_go_in_the_largest_parts_that_fit(count, sizes):
    assert statements(Bulk(2, "INSERT {rows}"), [(n, "x") for n in range(count)]) == sizes


def test_large_values_go_in_smaller_parts_so_that_memory_holds_few_of_them():
    large = b"x" * (HEAVY // 4)
    rows = [(n, large) for n in range(6)] + [(6, b"")] * 16
    assert statements(Bulk(2, "INSERT {rows}", heavy=1), rows) == [4, 16, 1, 1]
    assert statements(Bulk(2, "INSERT {rows}", heavy=1), [(1, large * 9), (2, large * 9)]) == [1, 1]
