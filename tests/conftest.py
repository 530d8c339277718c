"""What every test shares: freezegun told which libraries keep real time, and a run that costs little."""

import faulthandler
import gc
import io
import logging
import sys
from collections.abc import Iterator
from typing import Any

import freezegun
import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key

# pykka's ask deadlines and subprocess waits stay on real time: a frozen clock never lets them expire.
# The list is only ever extended, never replaced: freezegun's own entries keep threading and queue alive.
# Freezing looks through every module: large ones that neither read the clock nor call us need no look.
freezegun.configure(
    extend_ignore_list=["pykka._threading", "subprocess", "llvmlite", "numba", "numpy", "polars"]
)

# Where PYTHONDONTWRITEBYTECODE is set, pytest rewrites the asserts of every file in every run: 1.5 s of the
# unit tests.
sys.dont_write_bytecode = False

# Imports and collection make a million objects that stay: looking for cycles among them finds nothing.
gc.disable()

HANGS_AFTER_S = 300.0
# The default of 700 looks for cycles 1,300 times in a run of the unit tests. What it finds is found here too,
# at the latest by the search at the end, after which pytest reports what was left open.
GC_THRESHOLDS = (50_000, 20, 20)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """The stacks of all threads when a test hangs.

    pytest's own faulthandler_timeout starts a thread for every test: half a millisecond for each of the
    thousands of unit tests, which hang nowhere (and have the ini option's behaviour when given).
    """
    if "unit" in item.path.parts:
        return (yield)
    file = item.config.stash.get(fault_handler_stderr_fd_key, None)
    if file is None:
        return (yield)
    faulthandler.dump_traceback_later(HANGS_AFTER_S, file=file)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


def pytest_collection_finish(session: pytest.Session) -> None:
    """What was imported and collected stays: the garbage collector need not look at it after each test."""
    manager = session.config.pluginmanager
    if "hypothesis" not in sys.modules and manager.hasplugin("hypothesispytest"):
        manager.unregister(name="hypothesispytest")  # it imports all of hypothesis to say nothing at the end
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """One search for what was left open; pytest's own two are then quick."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def forest() -> Iterator[Any]:
    """Supervision trees that are stopped, and checked for leaks, when the test ends."""
    from toys import Forest

    made = Forest()
    yield made
    made.close()


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What goes to the standard library's log, with tracebacks.

    pytest's own logging plugin is off: its handlers cost every test of the suite a quarter of a millisecond.
    """
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    logging.getLogger().addHandler(handler)
    yield text
    logging.getLogger().removeHandler(handler)
