"""`foldward run`: the whole job with its own core, from files to verdicts, resumable after any end.

What makes a run is its manifest: the same seed, data, strategies, settings and code continue an unfinished
run instead of starting another one.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from actors._windows import OwnWindows
from foldward.app import faults as shown_faults
from foldward.app import results
from foldward.app.boot import Core
from foldward.app.manifest import manifest, own_kinds
from foldward.app.progress import Progress
from foldward.app.strategy_files import StrategySet, read_strategies
from foldward.backtest import ENGINE_VERSION
from foldward.contracts import clock, ids
from foldward.contracts.canonical import digest
from foldward.contracts.errors import RequestError, StorageError, SupervisionError
from foldward.contracts.facts import Fact, FinishRun, ImportStrategies, StartRun
from foldward.contracts.jobs import PHASES, Strategy
from foldward.contracts.messages import Refresh, Write, Written
from foldward.contracts.timeframe import timeframe_label
from foldward.settings import Home, Snapshot
from storage.reads import Reader
from storage.rows import ResultRow
from supervision import Inbox

BATCH = 500
LOOK_S = 0.1
ANSWER_S = 30.0  # the writer's, to one fact


@dataclass(frozen=True)
class RunWish:
    """What was asked for on the command line."""

    data: Path
    strategies: Path
    seed: int = 0
    until_idle: bool = True
    faults: bool = False
    report: Path | None = None
    quiet: bool = False
    dashboard: Callable[[Home], str] | None = None  # serves while the run lives; gives its address
    spoken: Callable[[str], str] = "foldward {}".format  # a command as the person can type it


@dataclass(frozen=True)
class RunDone:
    """What came of it: the final JSON, the league table, what was refused, and the exit code."""

    answer: dict[str, Any]
    league: list[dict[str, Any]]
    refused: list[dict[str, str]]
    exit_code: int = 0


@dataclass
class _Run:
    home: Home
    snapshot: Snapshot
    wish: RunWish
    core: Core
    chosen: StrategySet
    progress: Progress
    run_id: str = ""
    manifest: dict[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=clock.now)


def run_session(home: Home, snapshot: Snapshot, wish: RunWish) -> RunDone:
    """Do it. KeyboardInterrupt and SIGTERM stop the tree in order and leave a run that can be resumed."""
    chosen = read_strategies(wish.strategies)
    if not chosen.accepted:
        first = chosen.refused[0]["message"] if chosen.refused else "the file holds no [[strategy]]"
        raise RequestError("request.bad_strategy", f"{wish.strategies}: nothing to validate: {first}")
    progress = Progress(quiet=wish.quiet)
    roots = [wish.data]
    with shown_faults.extra_inputs(wish.faults) as extra:
        if extra is not None:
            roots.append(extra.data)
            chosen.accepted.extend(extra.strategies)
        core = Core(home, snapshot, seed=wish.seed, complete=True, roots=roots, stderr_level="ERROR")
        with core.opened(), progress, _terminating():
            run = _Run(home, snapshot, wish, core, chosen, progress)
            _check_data(run)
            _identify(run)
            core.run_id = run.run_id
            core.data = frozenset(run.manifest["data"].values())
            return _validate(run)


def _check_data(run: _Run) -> None:
    """Every series once through the data gate before anything is asked of the tree."""
    firsts: dict[tuple[str, int], Strategy] = {}
    for strategy in run.chosen.accepted:
        firsts.setdefault((strategy.symbol, strategy.timeframe), strategy)
    run.progress.begin("checking data", len(firsts))
    for strategy in firsts.values():
        run.core.candles.gate(strategy)
        run.progress.step()


def _identify(run: _Run) -> None:
    """Find the unfinished run of the same manifest, or make a new one."""
    data = {}
    for strategy in run.chosen.accepted:
        gate = run.core.candles.gate(strategy)
        label = f"{strategy.symbol}_{timeframe_label(strategy.timeframe)}"
        data[label] = gate.fingerprint if gate.ok else f"refused: {gate.code}"
        for minutes, fingerprint in gate.aux.items():
            data.setdefault(f"{strategy.symbol}_{timeframe_label(int(minutes))}", fingerprint)
    made = manifest(
        run_id="",
        seed=run.wish.seed,
        config_hash=run.snapshot.config_hash,
        data=data,
        strategies=digest([msgspec.to_builtins(item) for item in run.chosen.accepted]),
        engine=ENGINE_VERSION,
        names=[item.name for item in run.chosen.accepted],
        kinds=own_kinds({item.kind for item in run.chosen.accepted}),
    )
    with Reader(run.home.database) as reader:
        for row in reader.runs():
            if row.status != "finished" and {**row.manifest, "run_id": ""} == made:
                run.run_id = row.run_id
                run.progress.say(f"continuing run {row.run_id}")
                break
    run.run_id = run.run_id or ids.new_id()
    run.manifest = {**made, "run_id": run.run_id}


def _validate(run: _Run) -> RunDone:
    core, chosen = run.core, run.chosen
    run.progress.begin("starting the tree", 1)
    status = "interrupted"
    try:
        if core.warming():
            run.progress.say(
                "  the kernels are compiled first (once a machine; up to a minute on a busy one)"
            )
        core.start()
        run.progress.step()
        if not run.snapshot.settings.core.workers and not run.snapshot.settings.core.cluster:
            run.progress.say(
                f"  no workers of its own (core.workers = 0): it waits for one at {core.endpoint}"
            )
        if run.wish.dashboard is not None:
            run.progress.say(f"dashboard {run.wish.dashboard(run.home)}")
        _write(
            core, StartRun(run_id=run.run_id, seed=run.wish.seed, manifest=run.manifest, at_us=clock.utc_us())
        )
        _say(run, "run.started", run.manifest["strategies"])
        for start in range(0, len(chosen.accepted), BATCH):
            part = tuple(chosen.accepted[start : start + BATCH])
            _write(core, ImportStrategies(strategies=part, at_us=clock.utc_us()))
        core.tell("rank_evaluator", Refresh(reason="import"))
        with shown_faults.meanwhile(run.wish.faults, core, run.progress, run.wish.spoken):
            _until_idle(run)
        if not run.wish.until_idle:
            run.progress.say("every strategy has its verdict; staying until Ctrl-C")
            _until_interrupted(core)
        done = _finish(run)
        status = "finished"
        return done
    except KeyboardInterrupt:
        run.progress.say("stopping; what is done is kept, and the same command goes on from there")
        raise
    finally:
        if status != "finished" and core.root is not None:
            _write_if_possible(core, run.run_id, status)
        core.stop()


def _until_idle(run: _Run) -> None:
    """Wait until each strategy of the set has a verdict and nothing is asked for or under way."""
    names = {strategy.name for strategy in run.chosen.accepted}
    pause = threading.Event()
    with Reader(run.home.database) as reader:
        had, applied = results.current(reader, names, _accept(run)), _applied(reader)
        total = len(names) * len(PHASES)
        run.progress.begin("validating", total)
        if had:
            run.progress.say(
                f"  {had} of {total} answers are in this home already and are not computed again"
            )
        while True:
            run.core.check()
            if run.core.idle() and len(results.judged(reader, names)) == len(names):
                run.progress.reach(total)
                return
            # The last step is the verdicts: the bar is full only when they are there.
            run.progress.reach(min(total - 1, had + _applied(reader) - applied), results.note(reader))
            pause.wait(LOOK_S)


def _accept(run: _Run) -> Callable[[ResultRow], bool]:
    engines = {item.name: run.core.engine(item.kind) for item in run.chosen.accepted}
    windows = OwnWindows(run.core.candles, run.snapshot.settings.queue.oos_window_days)
    return results.of_run(run.wish.seed, run.manifest["data"].values(), engines, windows.fits)


def _applied(reader: Reader) -> int:
    return reader.counters().get("success", 0)


def _until_interrupted(core: Core) -> None:
    pause = threading.Event()
    try:
        while not pause.wait(LOOK_S):
            core.check()
    except KeyboardInterrupt:
        return


def _finish(run: _Run) -> RunDone:
    names = {strategy.name for strategy in run.chosen.accepted}
    seconds = clock.now() - run.started
    with Reader(run.home.database) as reader:
        found = results.collect(reader, names, run.chosen.refused, run.core.candles, _accept(run))
    file = run.wish.report or run.home.reports / f"{run.run_id}.html"
    answer = {
        "run_id": run.run_id,
        "seed": run.wish.seed,
        "strategies": len(names),
        "verdicts": found.verdicts,
        "refused": found.refused,
        "result_digest": found.digest,
        "seconds": round(seconds, 3),
        "report": str(file),
    }
    _write(
        run.core,
        FinishRun(
            run_id=run.run_id,
            status="finished",
            result_digest=found.digest,
            summary={key: answer[key] for key in ("strategies", "verdicts", "seconds", "report")},
            at_us=clock.utc_us(),
        ),
    )
    _say(run, "run.finished", found.digest)
    results.write_page(file, run.home, found, answer, run.manifest)
    return RunDone(answer, found.league, found.refused)


def _say(run: _Run, event_type: str, digest: str) -> None:
    strategies = len({strategy.name for strategy in run.chosen.accepted})
    data = {"run_id": run.run_id, "seed": run.wish.seed, "strategies": strategies, "digest": digest}
    run.core.emit(event_type, data)


def _write(core: Core, fact: Fact) -> Any:
    inbox = Inbox()
    core.tell("db_writer", Write(fact=fact, reply_to=inbox, tag=0, sender="run"))
    written = _answer(core, inbox)
    if not written.ok:
        raise StorageError(written.code or "storage.write", written.error or "the write was refused")
    return written.value


def _answer(core: Core, inbox: Inbox) -> Written:
    """The writer's; a tree that has given up is not waited for."""
    until = clock.now() + ANSWER_S
    while True:
        try:
            answer: Written = inbox.get(LOOK_S)
        except TimeoutError:
            core.check()
            if clock.now() >= until:
                raise SupervisionError(
                    "supervision.no_answer", f"the database's writer did not answer within {ANSWER_S:g} s"
                ) from None
        else:
            return answer


def _write_if_possible(core: Core, run_id: str, status: Any) -> None:
    fact = FinishRun(run_id=run_id, status=status, result_digest=None, summary={}, at_us=clock.utc_us())
    core.tell("db_writer", Write(fact=fact, sender="run"))


@contextmanager
def _terminating() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does."""

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    before: Callable[..., Any] | int | None = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
