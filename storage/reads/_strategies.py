"""Questions about strategies, runs and walk-forward runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from peewee import SQL

from storage.models import WfvRun, columns
from storage.reads._connection import Connected, columns_of
from storage.rows import DefinitionRow, RunRow, StrategyRow, WfvRow

_COLUMNS = columns_of(StrategyRow)
_FIELDS = StrategyRow.__struct_fields__
_JSON = tuple(
    _FIELDS.index(name)
    for name in ("params", "definition", "gates", "reasons", "numbers", "is_reasons", "oos_reasons")
)
# One value: a row at a time, each would give the interpreter's lock away.
_DEFINITIONS = (
    "SELECT json_group_object(s.name, json_array(s.rank, s.definition, s.is_sharpe))"
    " FROM json_each(?) AS asked CROSS JOIN strategies AS s ON s.name = asked.value"
)
_NONDETERMINISTIC = _FIELDS.index("nondeterministic")
_NUMBERS = ("degradation", "psr", "dsr", "pbo")

_encode = msgspec.json.Encoder().encode
_definitions = msgspec.json.Decoder(dict[str, tuple[str, str, float | None]])


class StrategyReads(Connected):
    """Reading strategies, runs and walk-forward runs."""

    def strategy(self, name: str) -> StrategyRow | None:
        """One strategy."""
        row = self._one(f"SELECT {_COLUMNS} FROM strategies WHERE name = ?", (name,))
        return None if row is None else _strategy(row)

    def definition(self, name: str) -> DefinitionRow | None:
        """What admission needs of one strategy."""
        return self.definitions((name,)).get(name)

    def definitions(self, names: Sequence[str]) -> dict[str, DefinitionRow]:
        """What admission needs of many strategies, in one step; without those that are not there."""
        found = _definitions.decode(self._value(_DEFINITIONS, (_encode(names).decode(),)))
        return {name: DefinitionRow(*row) for name, row in found.items()}

    def strategies(
        self,
        revision_gt: int = 0,
        limit: int | None = None,
        *,
        since_us: int | None = None,
        rank: str | None = None,
    ) -> list[StrategyRow]:
        """Strategies changed after a revision, in the order of their changes.

        Ask again with the last row's `revision` until nothing comes. `since_us` goes by `updated_at` instead,
        which a clock that was set back can fool.
        """
        terms, bindings = ["revision > ?"], [revision_gt]
        if since_us is not None:
            terms.append("updated_at >= ?")
            bindings.append(since_us)
        sql = f"SELECT {_COLUMNS} FROM strategies WHERE {' AND '.join(terms)}"
        if rank is not None:
            sql += " AND rank = ?"
        rows = self._all(
            f"{sql} ORDER BY revision LIMIT ?",
            (*bindings, *(() if rank is None else (rank,)), -1 if limit is None else limit),
        )
        return [_strategy(row) for row in rows]

    def strategy_names(self) -> list[str]:
        """All names, for "did you mean"."""
        return [row[0] for row in self._all("SELECT name FROM strategies ORDER BY name")]

    def revision(self) -> int:
        """The revision of the newest change."""
        return int(self._value("SELECT value FROM counters WHERE name = 'revision'") or 0)

    def verdicts(self, passed: bool | None = None) -> list[dict[str, Any]]:
        """The league table: passed ones first, then by out-of-sample Sharpe.

        [{strategy, kind, symbol, timeframe, rank, verdict, stage, gates, is_sharpe, oos_sharpe, degradation,
        psr, dsr, pbo, trades, result_digest, reasons, generation, updated_at}]
        """
        which = {None: "1", True: "verdict = 'PASS'", False: "verdict IS NOT 'PASS'"}[passed]
        sql = (
            f"SELECT {_COLUMNS} FROM strategies WHERE {which} ORDER BY verdict IS NOT 'PASS',"
            " oos_sharpe IS NULL, oos_sharpe DESC, is_sharpe IS NULL, is_sharpe DESC, name"
        )
        return [_verdict(_strategy(row)) for row in self._all(sql)]

    def runs(self, limit: int = 100) -> list[RunRow]:
        """Runs, newest first."""
        sql = f"SELECT {columns_of(RunRow)} FROM runs ORDER BY started_at DESC, run_id DESC LIMIT ?"
        return [_run(row) for row in self._all(sql, (limit,))]

    def run(self, run_id: str) -> RunRow | None:
        """One run with its manifest."""
        row = self._one(f"SELECT {columns_of(RunRow)} FROM runs WHERE run_id = ?", (run_id,))
        return None if row is None else _run(row)

    def wfv_runs(
        self,
        state: str | None = None,
        *,
        name: str | None = None,
        kind: str | None = None,
        limit: int = 1000,
    ) -> list[WfvRow]:
        """Walk-forward and CPCV runs; pending ones oldest first, all others newest first."""
        query = WfvRun.select(*columns(WfvRun, WfvRow.__struct_fields__))
        if state == "pending":
            # As text, so that the planner sees that the partial index of pending runs fits.
            query = query.where(SQL("state = 'pending'")).order_by(WfvRun.started_at)
        else:
            query = query.order_by(WfvRun.started_at.desc())
        for field, wanted in ((WfvRun.state, state), (WfvRun.name, name), (WfvRun.kind, kind)):
            if wanted is not None and wanted != "pending":
                query = query.where(field == wanted)
        return [_wfv(row) for row in self._select(query.limit(limit))]

    def wfv_run(self, wfv_id: str) -> WfvRow | None:
        """One run by its id, or by the request that carries it."""
        row = self._one(
            f"SELECT {columns_of(WfvRow)} FROM wfv_runs WHERE wfv_id = ?1 OR request_id = ?1", (wfv_id,)
        )
        return None if row is None else _wfv(row)


def _strategy(row: tuple[Any, ...]) -> StrategyRow:
    values = list(row)
    for index in _JSON:
        values[index] = msgspec.json.decode(values[index])
    values[_NONDETERMINISTIC] = bool(values[_NONDETERMINISTIC])
    return StrategyRow(*values)


def _verdict(row: StrategyRow) -> dict[str, Any]:
    return {
        "strategy": row.name,
        "kind": row.kind,
        "symbol": row.symbol,
        "timeframe": row.timeframe,
        "rank": row.rank,
        "verdict": row.verdict,
        "stage": row.stage,
        "gates": row.gates,
        "is_sharpe": row.is_sharpe,
        "oos_sharpe": row.oos_sharpe,
        **{number: row.numbers.get(number) for number in _NUMBERS},
        "trades": row.is_trades if row.oos_trades is None else row.oos_trades,
        "result_digest": row.oos_result_digest or row.is_result_digest,
        "reasons": row.reasons,
        "generation": row.generation,
        "updated_at": row.updated_at,
    }


def _run(row: tuple[Any, ...]) -> RunRow:
    run_id, seed, status, digest, started, finished, manifest, summary = row
    decode = msgspec.json.decode
    return RunRow(run_id, int(seed), status, digest, started, finished, decode(manifest), decode(summary))


def _wfv(row: tuple[Any, ...]) -> WfvRow:
    *values, plan, detail = row
    values += [msgspec.json.decode(plan), msgspec.json.decode(detail)]
    return WfvRow(*values)
