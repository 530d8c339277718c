"""Looking at stacks while threads come and go must not stop the process (gh-106883)."""

import gc
import sys
import threading

import pytest

from supervision._frames import frames


def test_no_collection_starts_while_threads_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "_current_frames", lambda: {0: gc.isenabled()})
    assert frames() == {0: False}
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off_and_an_error_keeps_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    gc.disable()
    try:
        frames()
        assert not gc.isenabled()
    finally:
        gc.enable()

    def broken() -> None:
        raise MemoryError

    monkeypatch.setattr(sys, "_current_frames", broken)
    with pytest.raises(MemoryError):
        frames()
    assert gc.isenabled()


def test_every_thread_has_its_frame() -> None:
    assert threading.get_ident() in frames()
