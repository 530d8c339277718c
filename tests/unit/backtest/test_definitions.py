"""What a strategy's definition may say: kinds, parameters, levels, costs."""

import msgspec
import pytest

from foldward.backtest import KINDS, Kind, parse_level, resolve_params, validate_strategy
from foldward.backtest.kinds import add_kind
from foldward.contracts.errors import RequestError
from foldward.contracts.jobs import Costs, Filter, Strategy


def refusal(call, *args, **kwargs):
    with pytest.raises(RequestError) as caught:
        call(*args, **kwargs)
    return caught.value


def test_the_built_in_kinds_are_the_documented_twelve():
    built_in = {name for name, kind in KINDS.items() if kind.builtin}
    averages, bands = {"sma", "ema", "macd"}, {"bb", "keltner", "donchian"}
    oscillators, volumes = {"rsi", "stoch"}, {"vwap", "volsma", "vpoc", "vwapvr"}
    assert built_in == averages | bands | oscillators | volumes
    assert len(built_in) == 12


@pytest.mark.parametrize(
    ("kind", "defaults"),
    [
        ("sma", {"sma_short": 5, "sma_long": 20}),
        ("ema", {"sma_short": 5, "sma_long": 20}),
        ("rsi", {"period": 14, "low": 30, "high": 70}),
        ("bb", {"period": 20, "band_mult": 2.0}),
        ("keltner", {"period": 20, "atr_period": 14, "band_mult": 2.0}),
        ("macd", {"fast": 12, "slow": 26, "signal": 9}),
        ("stoch", {"period": 14, "smooth": 3, "low": 20, "high": 80}),
        ("vwap", {"period": 20}),
        ("volsma", {"period": 20, "factor": 1.5}),
        ("vpoc", {"period": 30, "bins": 12}),
        ("vwapvr", {"period": 20, "threshold": 125}),
        ("donchian", {"period": 20, "exit_period": 10}),
    ],
)
def test_defaults_are_the_documented_ones(kind, defaults):
    assert resolve_params(kind, {}) == defaults


def test_every_kind_accepts_the_peers_names():
    for kind in KINDS.values():
        if kind.builtin:
            resolved = resolve_params(kind.name, {"sma_short": 7, "sma_long": 33})
            assert 7 in resolved.values()


def test_an_unknown_kind_names_the_nearest():
    error = refusal(resolve_params, "donchain", {})
    assert (error.code, error.exit_code) == ("request.unknown_kind", 2)
    assert "did you mean 'donchian'?" in error.message


def test_an_unknown_parameter_names_the_nearest():
    error = refusal(resolve_params, "rsi", {"perod": 14})
    assert error.code == "request.unknown_param"
    assert "did you mean 'period'?" in error.message
    assert error.context["field"] == "params.perod"


@pytest.mark.parametrize("value", [0, -5, 1e9, 2.5, float("nan"), float("inf"), True, "14", None])
def test_a_bad_period_is_refused_with_its_field(value):
    error = refusal(resolve_params, "rsi", {"period": value})
    assert error.code == "request.bad_param"
    assert error.context["field"] == "params.period"


def test_a_short_average_above_the_long_one_is_refused():
    error = refusal(resolve_params, "sma", {"sma_short": 50, "sma_long": 20})
    assert error.message == "sma_short 50 must be below sma_long 20 for kind 'sma'"


def test_two_names_for_one_parameter_must_agree():
    assert resolve_params("rsi", {"period": 9, "sma_short": 9})["period"] == 9
    error = refusal(resolve_params, "rsi", {"period": 9, "sma_short": 10})
    assert "different values" in error.message


def test_a_built_in_kind_cannot_be_replaced():
    error = refusal(add_kind, Kind("sma", {}, "", lambda p: 1, builtin=False))
    assert "built in" in error.message


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        (1.5, "price", 1.5),
        ("1.5", "price", 1.5),
        ("3%", "percent", 3.0),
        (" 0.5 % ", "percent", 0.5),
        ("2atr", "atr", 2.0),
        ("2 ATR", "atr", 2.0),
        ("1e-3", "price", 0.001),
    ],
)
def test_levels_are_read_as_people_write_them(text, unit, value):
    level = parse_level(text)
    assert (level.unit, level.value) == (unit, value)
    assert parse_level(level.canonical()) == level


@pytest.mark.parametrize("text", [None, "", "none", "off"])
def test_a_level_can_be_off(text):
    assert parse_level(text) is None


@pytest.mark.parametrize("text", [0, -1, "0%", "-2atr", "3 apples", "%", float("nan"), True, [1]])
def test_a_level_that_is_no_distance_is_refused(text):
    assert refusal(parse_level, text, name="sl").context["field"] == "sl"


def strategy(**fields):
    return Strategy(name="s", kind="sma", **fields)


def test_two_spellings_of_one_rule_become_equal():
    a = validate_strategy(strategy(sl="3 %", tp="2.0ATR", params={}))
    b = validate_strategy(strategy(sl="3%", tp="2atr", params={"sma_short": 5.0, "sma_long": 20}))
    assert a == b
    assert msgspec.json.encode(a) == msgspec.json.encode(b)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"units": 0}, "units"),
        ({"units": float("nan")}, "units"),
        ({"cash": -1}, "cash"),
        ({"direction": "up"}, "direction"),
        ({"profile": "pear"}, "profile"),
        ({"stop_anchor": "close"}, "stop_anchor"),
        ({"timeframe": 0}, "timeframe"),
        ({"atr_period": 0}, "atr_period"),
        ({"generation": -1}, "generation"),
        ({"costs": Costs(spread=-1)}, "costs.spread"),
        ({"costs": Costs(slippage=float("inf"))}, "costs.slippage"),
        ({"costs": Costs(swap_long=float("nan"))}, "costs.swap_long"),
        ({"costs": Costs(commission_bps=20_000)}, "costs.commission_bps"),
        ({"filter": Filter(timeframe=15, period=3, logic="PRICE_ABOVE_SMA")}, "filter.timeframe"),
        ({"filter": Filter(timeframe=240, period=0, logic="PRICE_ABOVE_SMA")}, "filter.period"),
        ({"filter": Filter(timeframe=240, period=3, logic="PRICE_OVER_SMA")}, "filter.logic"),
    ],
)
def test_a_bad_field_is_refused_by_name(fields, named):
    assert refusal(validate_strategy, strategy(**fields)).context["field"] == named


def test_a_strategy_needs_a_name():
    assert refusal(validate_strategy, Strategy(name="  ", kind="sma")).context["field"] == "name"


def test_trading_for_free_needs_the_explicit_flag():
    assert refusal(validate_strategy, strategy(costs=Costs(commission_bps=0))).context["field"] == "costs"
    assert validate_strategy(strategy(costs=Costs(zero=True))).costs.commission_bps == 0.0


def test_no_costs_and_some_costs_contradict_each_other():
    error = refusal(validate_strategy, strategy(costs=Costs(zero=True, spread=0.1)))
    assert error.context["field"] == "costs.zero"


def test_the_peer_profile_keeps_its_own_parameters():
    made = validate_strategy(Strategy(name="p", kind="rsi", profile="peer", params={"period": 9}, sl=0, tp=0))
    assert made.params == {"sma_short": 9, "sma_long": 30, "band_mult": 2.0}
    assert (made.sl, made.tp) == (0.0, 0.0)


def test_the_peer_profile_knows_no_donchian():
    error = refusal(validate_strategy, Strategy(name="p", kind="donchian", profile="peer"))
    assert "does not know kind 'donchian'" in error.message
