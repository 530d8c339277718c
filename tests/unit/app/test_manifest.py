"""What a manifest remembers of the user's own kinds, and what a replay makes of it."""

from __future__ import annotations

import pytest

from foldward.app.manifest import own_kinds
from foldward.app.replay import _kinds
from foldward.backtest import plugins as plugins_module

SOURCE = "def signals(bars, params):\n    return [0] * len(bars)\n"


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path / "kind_of_mine.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins_module.register(["kind_of_mine"], entry_points=False)
    return tmp_path


def test_a_built_in_kind_needs_no_record(mine):
    found = own_kinds(["sma", "kind_of_mine", "never_heard_of"])
    assert list(found) == ["kind_of_mine"]
    assert found["kind_of_mine"]["origin"] == "kind_of_mine"
    assert found["kind_of_mine"]["source"].startswith("sha256:")
    assert found["kind_of_mine"]["engine"] == plugins_module.engine_of("kind_of_mine")


def test_an_unchanged_kind_is_no_difference(mine):
    assert _kinds({"kinds": own_kinds(["kind_of_mine"])}) == []
    assert _kinds({}) == []


def test_an_edited_kind_is_named(mine):
    then = own_kinds(["kind_of_mine"])
    then["kind_of_mine"]["source"] = "sha256:before"
    (row,) = _kinds({"kinds": then})
    assert (row["kind"], row["what"], row["then"]) == ("code", "source of kind kind_of_mine", "sha256:before")
    assert row["now"] == own_kinds(["kind_of_mine"])["kind_of_mine"]["source"]


def test_another_version_of_its_distribution_is_named(mine):
    then = own_kinds(["kind_of_mine"])
    then["kind_of_mine"]["origin"] = "rules:mine of rules 1.0"
    assert [(row["what"], row["now"]) for row in _kinds({"kinds": then})] == [
        ("origin of kind kind_of_mine", "kind_of_mine")
    ]


def test_a_kind_that_is_gone_is_named(mine):
    then = {"gone_kind": {"source": "sha256:x", "origin": "gone_module", "engine": "foldward-1+x"}}
    (row,) = _kinds({"kinds": then})
    assert (row["what"], row["now"]) == ("kind gone_kind", None)
    assert row["message"] == "it is not registered any more (gone_module)"
