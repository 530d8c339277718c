"""Strategy sets: every wrong one is refused by name, its neighbours are taken."""

from pathlib import Path

import pytest

from foldward.app.demo import demo_inputs
from foldward.app.strategy_files import grid, parse_strategies, read_strategies
from foldward.contracts.errors import RequestError

GOOD = '[[strategy]]\nname = "a"\nkind = "sma"\nsymbol = "EURUSD"\ntimeframe = "H1"\n'


def test_a_definition_is_completed_with_the_defaults_of_its_kind() -> None:
    (strategy,) = parse_strategies(GOOD + "params = { sma_short = 3 }\n", ".toml").accepted
    assert strategy.params == {"sma_short": 3, "sma_long": 20}
    assert (strategy.timeframe, strategy.direction, strategy.costs.commission_bps) == (60, "both", 1.0)


def test_wrong_neighbours_are_refused_with_the_nearest_name() -> None:
    text = GOOD + (
        '[[strategy]]\nname = "b"\nkind = "smaa"\n'
        '[[strategy]]\nname = "c"\nkind = "sma"\nparams = { sma_shrt = 3 }\n'
        '[[strategy]]\nname = "d"\nkind = "sma"\ntimefame = "H1"\n'
        '[[strategy]]\nname = "a"\nkind = "sma"\n'
        '[[strategy]]\nkind = "sma"\n'
    )
    chosen = parse_strategies(text, ".toml", "set.toml")
    assert [strategy.name for strategy in chosen.accepted] == ["a"]
    assert [(item["name"], item["code"]) for item in chosen.refused] == [
        ("b", "request.unknown_kind"),
        ("c", "request.unknown_param"),
        ("d", "request.bad_strategy"),
        ("a", "request.duplicate_name"),
        ("strategy 6", "request.bad_strategy"),
    ]
    assert "did you mean 'sma'?" in chosen.refused[0]["message"]
    assert "did you mean 'sma_short'?" in chosen.refused[1]["message"]
    assert "did you mean 'timeframe'?" in chosen.refused[2]["message"]


def test_a_grid_stands_for_every_combination_in_order() -> None:
    chosen = parse_strategies(GOOD + "grid = { sma_short = [5, 10], sma_long = [20, 50] }\n", ".toml")
    assert [strategy.name for strategy in chosen.accepted] == ["a-5-20", "a-5-50", "a-10-20", "a-10-50"]
    assert chosen.accepted[3].params == {"sma_short": 10, "sma_long": 50}


def test_an_absurd_grid_is_refused_with_its_size() -> None:
    with pytest.raises(RequestError, match="1000000 points, more than 100000"):
        list(grid({"name": "x", "kind": "sma"}, {"a": range(1000), "b": range(1000)}))


def test_json_and_csv_say_the_same_as_toml() -> None:
    from_toml = parse_strategies(GOOD + 'params = { sma_short = 7 }\nsl = "3%"\n', ".toml").accepted
    from_json = parse_strategies(
        '[{"name":"a","kind":"sma","symbol":"EURUSD","timeframe":"H1","params":{"sma_short":7},"sl":"3%"}]',
        ".json",
    ).accepted
    from_csv = parse_strategies(
        "name,kind,symbol,timeframe,sma_short,sl\na,sma,EURUSD,H1,7,3%\n", ".csv"
    ).accepted
    assert from_toml == from_json == from_csv


@pytest.mark.parametrize(
    ("text", "suffix"), [("[[strategy\n", ".toml"), ("[{", ".json"), ('{"strategy": 3}', ".json")]
)
def test_an_unreadable_file_is_refused_whole(text: str, suffix: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_strategies(text, suffix)
    assert caught.value.code == "request.bad_strategy"


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be read"):
        read_strategies(tmp_path / "none.toml")


def test_the_demo_set_has_five_kinds_on_three_series() -> None:
    _, file = demo_inputs()
    chosen = read_strategies(file)
    assert chosen.refused == []
    assert len(chosen.accepted) == 135
    assert {strategy.kind for strategy in chosen.accepted} == {"sma", "ema", "rsi", "bb", "macd"}
    assert {strategy.symbol for strategy in chosen.accepted} == {"EURUSD", "SP500", "AAPL"}


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ('direction = "lng"', "direction 'lng': did you mean 'long'?"),
        ('profile = "nextopen"', "profile 'nextopen': did you mean 'next_open'?"),
        ('stop_anchor = "fil"', "stop_anchor 'fil': did you mean 'fill'?"),
    ],
)
def test_a_word_that_a_field_does_not_know_gets_the_nearest(field: str, says: str) -> None:
    text = f'[[strategy]]\nname = "a"\nkind = "sma"\nsymbol = "X"\ntimeframe = "H1"\n{field}\n'
    (refused,) = parse_strategies(text, ".toml").refused
    assert refused["message"] == says


@pytest.mark.parametrize(
    ("text", "suffix", "says"),
    [
        ("", ".toml", "the file holds no strategy"),
        ("[]", ".json", "the file holds no strategy"),
        ('[[strategies]]\nname = "a"\n', ".toml", "unknown key 'strategies': did you mean"),
        ('{"strategys": []}', ".json", "unknown key 'strategys': did you mean"),
    ],
)
def test_a_file_without_strategies_is_refused(text: str, suffix: str, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        parse_strategies(text, suffix)


def test_ten_thousand_strategies_are_read() -> None:
    text = (
        '[[strategy]]\nname = "a"\nkind = "sma"\nsymbol = "X"\ntimeframe = "H1"\n'
        f"grid = {{ sma_short = {list(range(1, 101))}, sma_long = {list(range(101, 201))} }}\n"
    )
    chosen = parse_strategies(text, ".toml")
    assert (len(chosen.accepted), chosen.refused) == (10_000, [])
    assert chosen.accepted[-1].name == "a-100-200"
