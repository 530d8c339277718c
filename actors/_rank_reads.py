"""From rows to the numbers that are judged: the newest accepted result of each kind of one strategy."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Protocol

import msgspec

from actors import _ladder
from actors._numbers import Numbers, side, split
from foldward.contracts.jobs import is_of_run, same_engine

_RECENT = 100  # results that results_of gives back; there may be older ones of other kinds


class Rows(Protocol):
    """What is read: storage.reads.Reader."""

    def strategies(self, revision_gt: int = 0, limit: int | None = None) -> list[Any]: ...
    def strategy(self, name: str) -> Any: ...
    def latest(self, name: str, kind: str, accept: Callable[[Any], bool] | None = None) -> Any: ...
    def result(self, request_id: str) -> Any: ...
    def results_of(self, name: str, kind: str | None = None) -> list[Any]: ...
    def request(self, request_id: str) -> Any: ...
    def requests(
        self, limit: int = 50, *, status: str | None = None, before: str | None = None
    ) -> list[Any]: ...
    def counters(self) -> dict[str, int]: ...
    def meta(self, key: str) -> str | None: ...


class RankReads:
    """Which results count, and what they say.

    complete: only those of this run, made with its seed on its candles (data: fingerprints, empty: any).
    engine: kind of strategy → the engine that makes its numbers now; None: any engine's are good.
    fits: whether a result was made on the bars that it would be made on now; None: any bars are good.
    """

    def __init__(
        self,
        *,
        complete: bool,
        seed: int,
        data: Collection[str],
        engine: Callable[[str], str] | None,
        fits: Callable[[Any], bool] | None = None,
    ) -> None:
        self._complete = complete
        self._seed = seed
        self._data = frozenset(data)
        self._engine = engine
        self._fits = fits

    def numbers(self, row: Any, rows: Rows, missing: dict[str, str]) -> Numbers:
        """What is known of a strategy. missing: kind → why it will have no result."""
        name = row.name
        # Most strategies have no result of most kinds: one question tells which to read whole.
        recent = rows.results_of(name)
        known = set(_ladder.ORDER) if len(recent) >= _RECENT else {result.kind for result in recent}
        accept = self._accept(row.kind)

        def newest(kind: str) -> Any:
            # Nearly always the newest is the one, and one question is enough.
            found = rows.latest(name, kind)
            return found if found is None or accept(found) else rows.latest(name, kind, accept)

        found = {kind: newest(kind) if kind in known else None for kind in _ladder.ORDER}
        costs = row.definition.get("costs") or {}
        numbers = Numbers(
            name=name,
            generation=row.generation,
            zero_cost=bool(costs.get("zero")),
            nondeterministic=row.nondeterministic,
            backtest=side(found["backtest"]) if found["backtest"] is not None else None,
            oos=side(found["oos"]) if found["oos"] is not None else None,
            wfv=split(found["wfv"]) if found["wfv"] is not None else None,
            cpcv=split(found["cpcv"]) if found["cpcv"] is not None else None,
            evidence=split(found["evidence"]) if found["evidence"] is not None else None,
            missing=missing,
        )
        # On older candles than the rest they are like none: they are asked for again only where no gate is
        # missed and rank A is proven, and old ones would keep both from ever being so.
        older = {
            kind: None
            for kind in ("cpcv", "evidence")
            if found[kind] is not None and not _ladder.is_current(kind, numbers)
        }
        return msgspec.structs.replace(numbers, **older) if older else numbers

    def _accept(self, kind: str) -> Callable[[Any], bool]:
        ours = None if self._engine is None else self._engine(kind)

        def accept(result: Any) -> bool:
            # An edited plugin or an upgraded engine: its old numbers are another strategy's.
            if self._complete:
                ok = is_of_run(result, seed=self._seed, data=self._data, engine=ours)
            else:
                ok = same_engine(result.engine, ours)
            return ok and (self._fits is None or self._fits(result))

        return accept
