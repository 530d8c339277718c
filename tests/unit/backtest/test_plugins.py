"""Strategies of the user's own: found, checked, and refused when they cheat."""

import datetime
import importlib.metadata
import random
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest

from foldward.backtest import ENGINE_VERSION, KINDS, Param, engine_of, register, simulate
from foldward.backtest._cuts import cuts
from foldward.backtest.plugins import plugin_record, plugin_source, register_plugin
from foldward.contracts.errors import EngineError, RequestError
from foldward.contracts.jobs import Strategy

WAVE = [(100 + i % 7, 108, 92, 100 + (i + 1) % 7) for i in range(80)]


@pytest.fixture(autouse=True)
def _clean_registry():
    from foldward.backtest import kinds, plugins

    before = dict(kinds._registry), dict(plugins._plugins)
    yield
    for live, kept in zip((kinds._registry, plugins._plugins), before, strict=True):
        live.clear()
        live.update(kept)


def outcome(make_bars, function, **fields):
    name = register_plugin(function)
    return simulate(make_bars(WAVE), Strategy(name="mine", kind=name, **fields))


def test_a_function_that_returns_a_position_trades(make_bars):
    def hold(bars, params):
        return np.where(np.arange(len(bars)) < 40, 1, -1)

    out = outcome(make_bars, hold)
    assert [(t["entry_bar"], t["exit_bar"], t["direction"]) for t in out.trades] == [(1, 41, 1), (41, 79, -1)]


def test_a_position_of_zero_closes(make_bars):
    def brief(bars, params):
        return np.where(np.arange(len(bars)) < 3, 1.0, 0.0)

    assert [(t["entry_bar"], t["exit_bar"]) for t in outcome(make_bars, brief).trades] == [(1, 4)]


def test_a_standing_wish_does_not_reopen_what_a_stop_closed(make_bars):
    def always(bars, params):
        return np.ones(len(bars))

    assert len(outcome(make_bars, always, sl=1.0).trades) == 1


def test_a_class_with_parameters_and_bounds_is_a_kind(make_bars):
    class Every:
        """Buy every so many bars."""

        name = "every"
        params = {"step": Param(10, 2, 50, integer=True), "hold": 3}  # noqa: RUF012
        warmup = 2

        def signals(self, bars, params):
            at = np.arange(len(bars)) % int(params["step"])
            return {"long_entry": at == 0, "long_exit": at == int(params["hold"])}

    assert register_plugin(Every) == "every"
    assert KINDS["every"].doc == "Buy every so many bars."
    out = simulate(make_bars(WAVE), Strategy(name="e", kind="every", params={"step": 20}))
    assert [(t["entry_bar"], t["exit_bar"]) for t in out.trades] == [(1, 4), (21, 24), (41, 44), (61, 64)]
    with pytest.raises(RequestError, match="allowed are 2 to 50"):
        simulate(make_bars(WAVE), Strategy(name="e", kind="every", params={"step": 99}))


def test_looking_ahead_makes_the_run_invalid(make_bars):
    def ahead(bars, params):
        return {"long_entry": bars.close > bars.close.mean() + 0.01 * bars.close[-1]}

    out = outcome(make_bars, ahead)
    assert out.verdict == "INVALID"
    assert out.faults[0].code == "engine.lookahead"
    assert out.metrics["sharpe"] is None


def test_peeking_one_bar_ahead_makes_the_run_invalid(make_bars):
    def peek(bars, params):
        nxt = np.concatenate((bars.close[1:], bars.close[-1:]))
        return {"long_entry": nxt > bars.close, "long_exit": nxt < bars.close}

    assert outcome(make_bars, peek).faults[0].code == "engine.lookahead"


def test_peeking_rarely_makes_the_run_invalid(make_bars):
    """Wishes at two bars of 300, none of which ends a fixed share of the data."""
    bars = make_bars([(x, x, x, x) for x in [100.0] * 40 + [105.0] * 160 + [101.0] * 100])

    def rise(bars, params):
        nxt = np.concatenate((bars.close[1:], bars.close[-1:]))
        return {"long_entry": nxt > bars.close * 1.03}

    def escape(bars, params):
        nxt = np.concatenate((bars.close[1:], bars.close[-1:]))
        return {"long_entry": np.arange(len(bars)) == 5, "long_exit": nxt < bars.close}

    def suppress(bars, params):
        nxt = np.concatenate((bars.close[1:], bars.close[-1:]))
        return {"long_entry": nxt >= bars.close}

    for kind in (rise, escape, suppress):
        out = simulate(bars, Strategy(name="mine", kind=register_plugin(kind)))
        assert [fault.code for fault in out.faults] == ["engine.lookahead"], kind.__name__


def test_the_data_is_cut_where_wishes_begin_and_before_the_largest_moves():
    close = np.full(100, 50.0)
    close[61:] = 55.0  # the largest rise is from bar 60 to bar 61
    close[71:] = 44.0  # the largest fall from bar 70 to bar 71
    bits = np.zeros(100, dtype=np.uint8)
    bits[[10, 11, 12, 20, 30]] = 1  # begins at bars 10, 20 and 30
    chosen = cuts(close, bits)
    assert {21, 31, 50, 61, 71, 73, 92} <= set(chosen)
    assert chosen == sorted(set(chosen))
    assert cuts(close[:2], bits[:2]) == []
    assert cuts(close[:1], bits[:1]) == []


def test_global_random_numbers_make_the_run_invalid(make_bars):
    def numpy_global(bars, params):
        return np.random.randint(-1, 2, len(bars))

    def python_global(bars, params):
        return np.array([random.choice((-1, 1)) for _ in range(len(bars))])

    def unseeded(bars, params):
        return np.random.default_rng().integers(-1, 2, len(bars))

    for function in (numpy_global, python_global, unseeded):
        assert outcome(make_bars, function).faults[0].code == "engine.nondeterministic"


def test_the_checks_leave_the_global_random_state_as_it_was(make_bars):
    def calm(bars, params):
        return np.zeros(len(bars))

    random.seed(5)
    np.random.seed(5)
    expected = random.Random(5).random(), np.random.RandomState(5).rand()
    outcome(make_bars, calm)
    assert (random.random(), np.random.rand()) == expected


def test_reading_a_clock_makes_the_run_invalid(make_bars):
    def wall(bars, params):
        return np.full(len(bars), 1 if time.time() > 0 else 0)

    def calendar(bars, params):
        return np.full(len(bars), 1 if datetime.datetime.now(datetime.UTC).year > 1 else 0)

    for function, word in ((wall, "time.time"), (calendar, "datetime.now")):
        fault = outcome(make_bars, function).faults[0]
        assert fault.code == "engine.nondeterministic"
        assert word in fault.message


def test_state_kept_between_calls_makes_the_run_invalid(make_bars):
    calls = []

    def remembers(bars, params):
        calls.append(1)
        return np.full(len(bars), len(calls) % 2)

    assert outcome(make_bars, remembers).faults[0].code == "engine.nondeterministic"


def test_a_seeded_generator_is_welcome(make_bars):
    def seeded(bars, params, seed):
        # One draw a bar: a shorter series sees the same numbers.
        return np.random.default_rng(seed).integers(-1, 2, len(bars))

    register_plugin(seeded)
    first = simulate(make_bars(WAVE), Strategy(name="s", kind="seeded"), seed=1)
    again = simulate(make_bars(WAVE), Strategy(name="s", kind="seeded"), seed=1)
    other = simulate(make_bars(WAVE), Strategy(name="s", kind="seeded"), seed=2)
    assert (first.verdict, first.faults) == ("OK", ())
    assert first.digest == again.digest != other.digest


def test_nan_from_a_plugin_makes_the_run_invalid(make_bars):
    def hollow(bars, params):
        return np.where(np.arange(len(bars)) == 7, np.nan, 1.0)

    fault = outcome(make_bars, hollow).faults[0]
    assert fault.code == "engine.not_finite"
    assert "at bar 7" in fault.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda n: np.ones(n - 1), "has the shape (79,)"),
        (lambda n: np.full(n, 2.0), "must be −1, 0 or 1"),
        (lambda n: {"long": np.ones(n)}, "the mapping has the columns ['long']"),
        (lambda n: {}, "the mapping has the columns []"),
        (lambda n: ["up"] * n, "not a column of numbers"),
        (lambda n: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_an_unusable_answer_is_an_engine_error_that_no_retry_helps(make_bars, answer, words):
    def odd(bars, params):
        return answer(len(bars))

    register_plugin(odd)
    with pytest.raises(EngineError) as caught:
        simulate(make_bars(WAVE), Strategy(name="o", kind="odd"))
    assert words in caught.value.message
    assert (caught.value.code, caught.value.retryable) == ("engine.failed", False)


def test_a_plugin_cannot_change_the_candles(make_bars):
    def vandal(bars, params):
        bars.close[:] = 1.0
        return bars.close

    register_plugin(vandal)
    bars = make_bars(WAVE)
    with pytest.raises(EngineError, match="read-only"):
        simulate(bars, Strategy(name="v", kind="vandal"))
    assert bars.close[3] == 104.0


def test_modules_named_in_the_settings_are_registered(monkeypatch, make_bars):
    module = types.ModuleType("house_rules")

    def signals(bars, params):
        return np.ones(len(bars))

    module.signals = signals
    monkeypatch.setitem(sys.modules, "house_rules", module)
    assert register(["house_rules"], entry_points=False) == ("house_rules",)
    assert register(["house_rules"], entry_points=False) == ("house_rules",)
    assert plugin_source("house_rules").startswith("sha256:")
    assert plugin_source("sma") is None


def test_an_edited_plugin_is_another_engine(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    text = "def signals(bars, params):\n    return bars.close * 0\n"
    for module, source in (("first_rule", text), ("second_rule", text), ("third_rule", text + "# changed\n")):
        (tmp_path / f"{module}.py").write_text(source)
        register([module], entry_points=False)
        sys.modules.pop(module)
    assert engine_of("sma") == ENGINE_VERSION
    assert engine_of("first_rule").startswith(f"{ENGINE_VERSION}+")
    assert engine_of("first_rule") == engine_of("second_rule") != engine_of("third_rule")


def test_entry_points_are_registered_under_their_name(monkeypatch):
    def gap(bars, params):
        return np.zeros(len(bars))

    class Point:
        name, value = "gap_rule", "house:gap"
        dist = types.SimpleNamespace(name="house", version="1.2")

        def load(self):
            return gap

    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [Point()])
    assert register() == ("gap_rule",)
    record = plugin_record("gap_rule")
    assert record is not None
    assert record["origin"] == "house:gap of house 1.2"
    assert record["engine"] == engine_of("gap_rule")
    assert plugin_record("sma") is None


def test_a_module_that_cannot_be_imported_is_named():
    with pytest.raises(RequestError, match=r"'no_such_house' cannot be imported: ModuleNotFoundError"):
        register(["no_such_house"], entry_points=False)


def test_a_module_that_offers_nothing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "empty_house", types.ModuleType("empty_house"))
    with pytest.raises(RequestError, match="offers no strategy"):
        register(["empty_house"], entry_points=False)


def test_a_built_in_name_cannot_be_taken():
    def sma(bars, params):
        return bars.close

    with pytest.raises(RequestError, match="built in"):
        register_plugin(sma)


def test_the_example_strategy_runs_clean(monkeypatch, make_bars):
    folder = Path(__file__).parents[3] / "examples"
    monkeypatch.syspath_prepend(str(folder))
    assert register(["opening_gap"], entry_points=False) == ("opening_gap",)
    rows = []
    for i in range(120):
        shift = {0: -2.0, 5: 2.0}.get(i % 10, 0.0)
        rows.append((100 + shift, 103, 97, 100 + shift / 2))
    out = simulate(make_bars(rows), Strategy(name="g", kind="opening_gap"))
    assert (out.verdict, out.faults) == ("OK", ())
    assert out.metrics["trades"] == 24
    sys.modules.pop("opening_gap", None)


def test_the_smallest_documented_strategy_runs_clean(make_bars):
    page = (Path(__file__).parents[3] / "docs" / "how_to" / "write_a_strategy.md").read_text()
    code = page.split("```python\n")[1].split("```")[0]
    scope = {"__name__": "documented"}
    exec(compile(code, "documented", "exec"), scope)
    out = outcome(make_bars, scope["momentum"])
    assert (out.verdict, out.faults) == ("OK", ())
    assert out.metrics["trades"] > 5
