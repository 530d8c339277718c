"""The candidates of a grid made ready, one after another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from foldward.backtest.engine import Prepared, prepare
from foldward.backtest.filters import Aux
from foldward.contracts.jobs import Strategy, Swap
from foldward.data.bars import Bars


def prepare_each(
    bars: Bars,
    strategy: Strategy,
    params: Sequence[Mapping[str, float]],
    *,
    seed: int,
    calendar: int | None,
    aux: Aux | None,
    swaps: Iterable[Swap] | None,
) -> Iterable[Prepared]:
    """One Prepared per candidate, made when it is asked for: signals of thousands need not live at once."""
    history = None if swaps is None else tuple(swaps)
    for chosen in params:
        yield prepare(
            bars,
            msgspec.structs.replace(strategy, params=dict(chosen)),
            seed=seed,
            calendar=calendar,
            aux=aux,
            swaps=history,
        )
