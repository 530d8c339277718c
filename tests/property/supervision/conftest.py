"""A forest per test: trees that are stopped, and checked for leaks, when the test ends."""

import pytest
from toys import Forest


@pytest.fixture
def forest():
    forest = Forest()
    yield forest
    forest.close()
