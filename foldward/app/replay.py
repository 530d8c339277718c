"""A stored run computed again (spec 3.3): identical, or which of data, code, config or environment differs.

Every result that the run's verdicts stand on is rebuilt as the request that it answered: the definition, the
window, the seed and the plan must give the very digest that was stored with it. Then the engine computes it
anew on the same candles.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from actors._evidence import trial_of
from actors._rank_asks import PLANS
from actors._trials import TrialBook, block_sums
from foldward.app.manifest import code_identity, environment, own_kinds
from foldward.app.progress import Progress
from foldward.app.results import of_run
from foldward.backtest import ENGINE_VERSION, KINDS
from foldward.contracts.errors import FoldwardError, RequestError
from foldward.contracts.jobs import PHASES, Backtest, Strategy, job_digest
from foldward.data.cache import Cache
from foldward.data.contract import check_file
from foldward.data.entries import Entry
from foldward.settings import Home
from foldward.worker.runner import run_job
from storage.reads import Reader
from storage.rows import ResultRow, RunRow

SHOWN = 100  # differing results that are listed one by one
_EVERY = 10**9  # each backtest is a trial, however many a strategy had


class _Unit(NamedTuple):
    row: ResultRow
    strategy: Strategy | None
    why_not: str = ""


def replay_run(
    reader: Reader, run: RunRow, home: Home, config_hash: str, progress: Progress
) -> dict[str, Any]:
    """{run_id, identical, differences: [{kind, what, then, now, …}], changed: […], results: {…}}.

    identical: every result came out with its stored digest, from unchanged data and settings. Another code
    or environment that gives the same numbers is named in `changed`; where numbers differ, it is a
    difference. Raises request.unknown_id for a run that holds no result.
    """
    units = sorted(_units(reader, run), key=lambda unit: unit.row.requested_us)
    if not units:
        raise RequestError(
            "request.unknown_id", f"run {run.run_id} has no results to recompute", hint="foldward report run"
        )
    cache = Cache(home.cache)
    differences = [
        *_data(run.manifest.get("data") or {}, cache, progress),
        *_config(run.manifest, config_hash),
    ]
    changed = _code(run.manifest) + _kinds(run.manifest) + _environment(run.manifest)
    different = []
    progress.begin("recomputing", len(units))
    plans = _Plans(reader, units)
    for unit in units:
        found = _recompute(unit, plans, cache, str(run.manifest.get("engine")))
        if found is not None:
            different.append(found)
        progress.step()
    if different:
        # Of the causes those that can change a number come first: an edited kind before our own sources.
        suspect = (_kinds(run.manifest) or changed or differences or [{"kind": "code"}])[0]["kind"]
        differences += changed
        changed = []
        differences += [{"kind": suspect, **item} for item in different[:SHOWN]]
    return {
        "run_id": run.run_id,
        "identical": not differences,
        "differences": differences,
        "changed": changed,
        "results": {
            "recomputed": len(units),
            "identical": len(units) - len(different),
            "different": len(different),
        },
    }


def _units(reader: Reader, run: RunRow) -> Iterator[_Unit]:
    """For each strategy of the run, the newest answer of each kind that it could see when it ended."""
    own = run.manifest.get("kinds") or {}
    engine = str(run.manifest.get("engine"))
    names = run.manifest.get("names") or []
    rows = {name: reader.strategy(name) for name in names}
    # A run of a version that did not note its kinds says nothing about their engines.
    engines = {
        name: own[row.kind]["engine"] if row.kind in own else engine
        for name, row in rows.items()
        if row is not None and (row.kind in own or _is_built_in(row.kind))
    }
    accept = of_run(run.seed, (run.manifest.get("data") or {}).values(), engines)
    for name in names:
        row = rows[name]
        for kind in PHASES:
            for result in reader.results_of(name, kind):
                known = run.finished_at is None or result.applied_at <= run.finished_at
                if known and accept(result):
                    same = row is not None and result.work == row.work
                    strategy = row.strategy if row is not None and same else None
                    yield _Unit(
                        result, strategy, "" if same else "its strategy was defined anew since the run"
                    )
                    break


def _is_built_in(kind: str) -> bool:
    return kind in KINDS and KINDS[kind].builtin


class _Plans:
    """What a request's plan was; evidence knew the trials that had been answered before it was asked for."""

    def __init__(self, reader: Reader, units: list[_Unit]) -> None:
        self._reader = reader
        self._book = TrialBook()
        self._trials: list[ResultRow] = []
        if any(unit.row.kind == "evidence" for unit in units):
            self._trials = sorted(
                (
                    trial
                    for name in reader.strategy_names()
                    for trial in reader.results_of(name, "backtest", limit=_EVERY)
                    if trial.verdict == "OK"
                ),
                key=lambda trial: trial.applied_at,
                reverse=True,
            )

    def of(self, row: ResultRow) -> Iterator[dict[str, Any] | None]:
        """Possible plans, the likeliest first."""
        run = self._reader.wfv_run(row.request_id)
        if run is not None:
            yield run.plan
        if row.kind == "evidence":
            plan = self._known_trials(row)
            yield plan
            trials = {key: value for key, value in plan["trials"].items() if key != "window"}
            yield {**plan, "trials": trials}  # as it was before plans named the trials' bars
        yield PLANS.get(row.kind)
        yield None

    def _known_trials(self, row: ResultRow) -> dict[str, Any]:
        # Answers become known one by one: units must come in the order in which they were asked for.
        while self._trials and self._trials[-1].applied_at <= row.requested_us:
            trial = self._trials.pop()
            whole = self._reader.result(trial.request_id)
            if whole is not None:
                sums = block_sums(whole.detail.get("blocks"))
                self._book.add(trial.fingerprint, trial_of(trial), sums)
        return self._book.plan(row.fingerprint)


def _recompute(unit: _Unit, plans: _Plans, cache: Cache, engine: str) -> dict[str, Any] | None:
    """None when the same digest comes out, else what differs."""
    row = unit.row
    named = {"what": f"{row.kind} of {row.name}", "request_id": row.request_id, "then": row.result_digest}
    if unit.strategy is None:
        return {"kind": "config", **named, "now": None, "message": unit.why_not}
    window, seed = (row.window_start, row.window_end), row.seed or 0
    # A result of the user's own kind names its source too; its request knew the engine alone.
    possible = itertools.product(
        plans.of(row), dict.fromkeys((engine, row.engine)), _filter_candles(unit.strategy, cache)
    )
    for plan, version, aux in possible:
        work = (unit.strategy, row.kind, row.fingerprint, window, seed, version, plan, aux)
        if job_digest(*work) == row.digest:  # type: ignore[arg-type] # kind is a phase
            break
    else:
        return {**named, "now": None, "message": "its request cannot be rebuilt any more"}
    job = Backtest(
        request_id=row.request_id,
        strategy=unit.strategy,
        phase=row.kind,  # type: ignore[arg-type] # a phase
        symbol=unit.strategy.symbol,
        timeframe=unit.strategy.timeframe,
        data_id=row.fingerprint,
        aux_data_ids=aux,
        start_time=row.window_start,
        end_time=row.window_end,
        seed=seed,
        include_trades=row.kind in ("backtest", "oos"),
        plan=plan,
    )
    result = run_job(job, cache)
    if result.error is not None:
        kind = "data" if (result.code or "").startswith("data.") else "code"
        return {"kind": kind, **named, "now": None, "message": f"{result.code}: {result.error}"}
    if result.result_digest == row.result_digest:
        return None
    return {**named, "now": result.result_digest, "message": ""}


def _filter_candles(strategy: Strategy, cache: Cache) -> list[dict[str, str] | None]:
    """Candles that its filter may have seen: any of the symbol's in the cache, or none of their own."""
    rule = strategy.filter
    if rule is None:
        return [None]
    stored = reversed(cache.find(strategy.symbol, rule.timeframe))
    return [*({str(rule.timeframe): entry.fingerprint} for entry in stored), None]


def _data(data: Mapping[str, str], cache: Cache, progress: Progress) -> Iterator[dict[str, Any]]:
    """Series whose source file is not what it was, or whose candles are gone."""
    progress.begin("checking data", len(data))
    for label, fingerprint in data.items():
        entry = _entry(cache, fingerprint) if fingerprint.startswith("sha256:") else None
        now: str | None = fingerprint
        if fingerprint.startswith("sha256:"):
            now = None
            if entry is not None:
                now = _source(entry, fingerprint)
        if now != fingerprint:
            yield {
                "kind": "data",
                "what": label,
                "then": fingerprint,
                "now": now,
                "file": str(entry.source) if entry is not None else None,
                "message": "the candles are gone" if now is None else "the file was changed since",
            }
        progress.step()


def _entry(cache: Cache, fingerprint: str) -> Entry | None:
    """The entry whose bytes are those of the fingerprint: by SHA-256, as loading compares checksums alone."""
    try:
        return cache.entry(fingerprint) if cache.verify(fingerprint) else cache.rebuild(fingerprint)
    except FoldwardError:  # neither its archive nor its source gives these candles any more
        return None


def _source(entry: Entry, fingerprint: str) -> str:
    """What the source file gives today; a file that was taken away leaves the cache's copy as the data."""
    source = Path(entry.source)
    if not source.is_file():
        return fingerprint
    try:
        report = check_file(
            source,
            entry.timeframe,
            symbol=entry.symbol,
            utc=True,
            allow=tuple(entry.accepted),
            synthetic=entry.provenance == "synthetic",
        )
    except FoldwardError as error:
        return f"refused: {error.code}"
    return report.fingerprint or "refused: data.refused"


def _config(manifest: Mapping[str, Any], config_hash: str) -> list[dict[str, Any]]:
    return _unless_equal("config", "settings", manifest.get("config_hash"), config_hash)


def _code(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    then, now = manifest.get("code") or {}, code_identity()
    rows = _unless_equal("code", "source", then.get("source"), now["source"])
    return rows + _unless_equal("code", "engine", manifest.get("engine"), ENGINE_VERSION)


def _kinds(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The user's own kinds whose source or distribution is another now, or that are gone."""
    then = manifest.get("kinds") or {}
    now = own_kinds(then)
    rows = []
    for name, was in then.items():
        has = now.get(name)
        if has is None:
            gone = {"kind": "code", "what": f"kind {name}", "then": was["source"], "now": None}
            rows.append({**gone, "message": f"it is not registered any more ({was['origin']})"})
            continue
        for what in ("source", "origin"):
            rows += _unless_equal("code", f"{what} of kind {name}", was.get(what), has[what])
    return rows


def _environment(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    then, now = manifest.get("environment") or {}, environment()
    rows = [
        row
        for what in ("python", "platform")
        for row in _unless_equal("environment", what, then.get(what), now[what])
    ]
    packages = then.get("packages") or {}
    for name, version in now["packages"].items():
        rows += _unless_equal("environment", name, packages.get(name), version)
    return rows


def _unless_equal(kind: str, what: str, then: Any, now: Any) -> list[dict[str, Any]]:
    return [] if then == now else [{"kind": kind, "what": what, "then": then, "now": now}]
