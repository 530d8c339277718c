"""Every code of the catalogue comes about, through the product's own code, and says what is wrong.

A way that is missing, or a code that nothing produces any more, fails here. Ways that are a command line are
read as a person reads them: one line on stderr, with code, message and hint, and the exit code of its family.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import apsw
import pytest
from scene import FIRST, Said, Scene, caught, replaced
from toys import boom, eventually

from foldward.contracts.errors import CATALOGUE, FAMILIES, FoldwardError
from foldward.contracts.facts import RetireStrategies
from foldward.contracts.jobs import Result, Strategy
from foldward.contracts.messages import Cancel, Drain
from foldward.data import bundled_dir
from foldward.wire import dumps, loads
from supervision import Backoff, process, supervisor

pytestmark = pytest.mark.slow

Way = Callable[[Scene], FoldwardError | Said]
WAYS: dict[str, Way] = {}
DAY = 86_400
AAPL = bundled_dir() / "AAPL_D1.csv"


def way(*codes: str) -> Callable[[Way], Way]:
    def add(function: Way) -> Way:
        for code in codes:
            assert code not in WAYS, f"two ways to {code}"
            WAYS[code] = function
        return function

    return add


def line(code: str, words: str) -> None:
    WAYS[code] = lambda scene: scene.line(words)


def rows(code: str, *change: Any) -> None:
    WAYS[code] = lambda scene: scene.finding(code, scene.changed(*change))


def raw(code: str, *frames: bytes) -> None:
    WAYS[code] = lambda _: caught(loads, *frames)


def plugin(code: str, body: str) -> None:
    WAYS[code] = lambda scene: scene.plugin(body)


# --- request -----------------------------------------------------------------------------------------------

line("request.unknown_kind", f"backtest --data {AAPL} --kind smaa")
line("request.unknown_param", f"backtest --data {AAPL} --kind sma -p sma_shrt=5")
line("request.bad_param", f"backtest --data {AAPL} --kind sma -p sma_short=0")
line("request.bad_window", f"backtest --data {AAPL} --kind sma --start 2020-01-02 --end 2020-01-01")
line("request.bad_plan", f"cpcv run --data {AAPL} --kind sma --groups 10 --test-groups 10")
line("request.bad_seed", f"backtest --data {AAPL} --kind sma --seed x")


@way("request.exists")
def _(scene: Scene) -> Said:
    (scene.folder / "new.csv").write_text("mine")
    return scene.line(f"data repair {AAPL} --out new.csv")


@way("request.unknown_id")
def _(scene: Scene) -> Said:
    _database(scene)
    return scene.line("oos show 0123456")


@way("request.unknown_strategy")
def _(scene: Scene) -> Said:
    return scene.refused(scene.world(), "sma-11")


@way("request.not_possible")
def _(scene: Scene) -> Said:
    from foldward.cli._known import not_waiting

    world = scene.world()
    (item,) = world.submit("sma-1", now=True)
    return not_waiting(world.reader, str(item.request_id))


@way("request.retired")
def _(scene: Scene) -> Said:
    world = scene.world()
    world.writer.apply([RetireStrategies(names=("sma-1",), at_us=world.clock.utc_us)])
    return scene.refused(world)


@way("request.bad_strategy")
def _(scene: Scene) -> Said:
    from foldward.backtest import validate_strategy

    error = caught(validate_strategy, Strategy(name="a", kind="sma", symbol="X", timeframe=60, units=0.0))
    return Said(error.code, error.message)


@way("request.duplicate_name")
def _(scene: Scene) -> Said:
    from foldward.app.strategy_files import read_strategies

    one = '[[strategy]]\nname = "a"\nkind = "sma"\nsymbol = "X"\ntimeframe = "D1"\n'
    file = scene.folder / "s.toml"
    file.write_text(one + one)
    (refused,) = read_strategies(file).refused
    return Said(refused["code"], refused["message"])


@way("request.throttled")
def _(scene: Scene) -> Said:
    world = scene.world()
    world.link.connect("w1")
    request_id = world.submit("sma-1")[0].request_id
    assert request_id is not None
    world.receive(dumps(_failure(world.result(request_id), "request.bad_window")))
    return scene.refused(world)


def _failure(result: Result, code: str) -> Result:
    plain = {
        "request_id": result.request_id,
        "strategy_name": result.strategy_name,
        "attempt": result.attempt,
    }
    return Result(**plain, error="so it is", code=code)


@way("request.timeout")
def _(scene: Scene) -> Said:
    world = scene.world()
    world.link.connect("w1")
    request_id = world.submit("sma-1")[0].request_id
    world.pass_time(130)
    (event,) = world.events("oos.retry")
    assert event.correlation_id == request_id
    return Said(event.data["code"], event.data["error"])


@way("request.cancelled")
def _(scene: Scene) -> Said:
    world = scene.world()
    request_id = world.submit("sma-1")[0].request_id
    world.tell("oos_queue", Cancel(request_ids=(str(request_id),)))
    settled = [m for m in world.heard["rank_evaluator"] if getattr(m, "state", "") == "cancelled"]
    return Said(settled[0].code, f"{settled[0].name} was {settled[0].state}")


@way("queue.full")
def _(scene: Scene) -> Said:
    return scene.refused(scene.world(queue={"max_open": 1}), "sma-1", "sma-2")


@way("queue.draining")
def _(scene: Scene) -> Said:
    world = scene.world()
    world.tell("oos_queue", Drain())
    return scene.refused(world)


# --- data --------------------------------------------------------------------------------------------------

rows("data.not_numeric", 9, 4, "dear")
rows("data.not_finite", 9, 4, "inf")
rows("data.missing_value", 9, 4, "")
rows("data.not_positive", 9, 3, -1)
rows("data.negative_volume", 9, 5, -1)
rows("data.zero_volume", 9, 5, 0)
rows("data.geometry", 9, 4, 500)
rows("data.bad_time", 9, 0, "soon")
rows("data.unsorted", 9, 0, FIRST)
rows("data.outlier", 60, 4, 300)

WAYS["data.missing_file"] = lambda s: s.finding("data.missing_file", s.folder / "none.csv")
WAYS["data.not_a_file"] = lambda s: s.finding("data.not_a_file", s.folder)
WAYS["data.unreadable"] = lambda s: s.finding("data.unreadable", b"\x1f\x8b gzip")
WAYS["data.empty"] = lambda s: s.finding("data.empty", b"")
WAYS["data.no_rows"] = lambda s: s.finding("data.no_rows", [])
WAYS["data.encoding"] = lambda s: s.finding("data.encoding", b"\xff\xfet\x00i\x00m\x00e\x00")
WAYS["data.missing_column"] = lambda s: s.finding(
    "data.missing_column", [row[:5] for row in s.rows()], "timestamp,open,high,low,price"
)
WAYS["data.duplicate_column"] = lambda s: s.finding(
    "data.duplicate_column", s.rows(), "timestamp,open,high,low,close,close"
)
WAYS["data.cell_count"] = lambda s: s.finding("data.cell_count", [*s.rows(), [1, 2]])
WAYS["data.naive_time"] = lambda s: s.finding(
    "data.naive_time", [[f"2024-01-{day:02} 00:00:00", 1, 1, 1, 1, 1] for day in range(1, 29)]
)
WAYS["data.ambiguous_time"] = lambda s: s.finding(
    "data.ambiguous_time", [[f"0{day}/0{day}/2024", 1, 1, 1, 1, 1] for day in range(1, 9)]
)
WAYS["data.duplicate"] = lambda s: s.finding("data.duplicate", [*s.rows(), s.rows()[-1]])
WAYS["data.conflict"] = lambda s: s.finding(
    "data.conflict", [*s.rows(), [*s.rows()[-1][:1], 90, 90, 90, 90, 1]]
)
WAYS["data.gap"] = lambda s: s.finding("data.gap", [r for i, r in enumerate(s.rows()) if not 30 < i < 40])
WAYS["data.spacing"] = lambda s: s.finding(
    "data.spacing", [[FIRST + day * DAY + 3700 * (day % 3), *s.rows()[day][1:]] for day in range(80)]
)
WAYS["data.stale"] = lambda s: s.finding(
    "data.stale", [[FIRST + day * DAY, 5, 6, 4, 5, 1] for day in range(80)]
)
WAYS["data.future"] = lambda s: s.finding(
    "data.future", [[4_000_000_000 - 4_000_000_000 % DAY + row[0] - FIRST, *row[1:]] for row in s.rows()]
)


@way("data.too_few_rows")
def _(scene: Scene) -> Said:
    return scene.line(f"backtest --data {scene.csv(scene.rows(10))} --kind sma")


@way("data.refused")
def _(scene: Scene) -> FoldwardError:
    from foldward.data.cache import Cache

    return caught(Cache(scene.folder / "cache").ensure, scene.csv(scene.changed(9, 4, 500)))


@way("data.not_found")
def _(scene: Scene) -> Said:
    from foldward.app.candles import Candles
    from foldward.data.cache import Cache

    gate = Candles(Cache(scene.folder), [scene.folder]).gate(
        Strategy(name="a", kind="sma", symbol="X", timeframe=60)
    )
    assert gate.hint
    return Said(gate.code, gate.message)


@way("data.outside_root")
def _(scene: Scene) -> Said:
    return scene.worked(candles_file="/etc/passwd")


@way("data.corrupt")
def _(scene: Scene) -> FoldwardError:
    from foldward.data.cache import Cache

    cache = Cache(scene.folder / "cache")
    entry = cache.ensure(scene.csv(scene.rows()))
    column = entry.folder / "close.npy"
    column.chmod(0o600)
    column.write_bytes(column.read_bytes()[:-1] + b"\x7f")
    return caught(Cache(scene.folder / "cache").load, entry.fingerprint)


# --- wire --------------------------------------------------------------------------------------------------

BACKTEST = {"action": "BACKTEST", "request_id": "01980000-0000-7000-8000-000000000001"}
SMA = {"name": "a", "kind": "sma", "timeframe": 60}

raw("wire.not_utf8", b"(\xff\xfe)")
raw("wire.unparseable", b"hello")
raw("wire.too_deep", b"[" * 70 + b"]" * 70)
raw("wire.unknown_type", b'{"action":"BACKTESTT"}')
raw("wire.missing_field", json.dumps(BACKTEST).encode())
raw("wire.unknown_field", json.dumps({**BACKTEST, "strategy": SMA, "sed": 1}).encode())
raw("wire.invalid_field", json.dumps({**BACKTEST, "strategy": {**SMA, "timeframe": -1}}).encode())
raw("wire.oversize", b"{" + b" " * 9_000_000 + b"}")
WAYS["wire.not_finite"] = lambda s: caught(dumps, s.job(strategy=Strategy(name="a", kind="sma", units=1e309)))


@way("wire.multipart")
def _(scene: Scene) -> Said:
    world = scene.world()
    world.link.connect("w1")
    world.receive(b"a", b"b")
    return scene.letter(world)


def _answered(scene: Scene, **fields: Any) -> Said:
    world = scene.world()
    world.link.connect("w1")
    world.answer(str(world.submit("sma-1", kind="backtest")[0].request_id), sharpe=0.83)
    world.answer(str(world.submit("sma-1")[0].request_id), **fields)
    return scene.letter(world)


WAYS["wire.mismatch"] = lambda scene: _answered(scene, fingerprint="sha256:other")
WAYS["wire.mirror"] = lambda scene: _answered(scene, sharpe=0.83)


@way("wire.send_failed")
def _(scene: Scene) -> Said:
    world = scene.world()
    world.link.connect("w1")
    world.link.refuse = "no route to host"
    world.submit("sma-1")
    event = world.events("oos.dispatch_failed")[0]
    return Said(event.data["code"], event.data["error"])


@way("wire.missing_request_id")
def _(scene: Scene) -> Said:
    from foldward.data.cache import Cache
    from foldward.worker.desk import Desk

    answer = loads(Desk(Cache(scene.folder), data_roots=()).answer(b'{"action":"BACKTEST"}'))
    return Said(answer.code, answer.error)


@way("wire.endpoint_taken")
def _(scene: Scene) -> Said:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        endpoint = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        scene.patch.setenv("FOLDWARD_LINK__NATIVE_ENDPOINT", endpoint)
        return scene.line("core")


@way("wire.curve_required")
def _(scene: Scene) -> Said:
    scene.patch.setenv("FOLDWARD_LINK__NATIVE_ENDPOINT", "tcp://0.0.0.0:0")
    return scene.line("core")


@way("wire.unsupported")
def _(scene: Scene) -> FoldwardError:
    from foldward.worker.cluster import bridge

    class Ray:
        """A cluster of one node, which has another engine."""

        nodes = staticmethod(lambda: [{"NodeID": "ab" * 28, "Alive": True}])
        get = staticmethod(lambda asked: asked)

        def remote(self, *_: Any, **__: Any) -> Any:
            return lambda _: self

        def options(self, **_: Any) -> Any:
            class Asked:
                remote = staticmethod(lambda _: "node 1 has engine 0.0")

            return Asked()

    scene.patch.setattr(bridge, "ray", Ray())
    return caught(bridge.require_same_nodes, None)


# --- engine ------------------------------------------------------------------------------------------------

HEAD = "from random import choice\nimport numpy as np\ndef NAME(bars, params):\n    n = len(bars.close)\n"
OFFER = "\nSTRATEGIES = [NAME]\n"
plugin("engine.lookahead", HEAD + "    return np.where(np.roll(bars.close, -1) > bars.close, 1, -1)" + OFFER)
plugin(
    "engine.nondeterministic",
    HEAD + "    return np.array([choice([1, -1]) for _ in range(n)])" + OFFER,
)
plugin("engine.not_finite", HEAD + "    return np.full(n, np.nan)" + OFFER)


@way("engine.invariant")
def _(scene: Scene) -> Said:
    from foldward.backtest import _kernels as k
    from foldward.backtest.invariants import check_status

    broken = next(status for status in range(1, 20) if _fault_of(check_status, scene, status))
    assert broken != k.NOT_FINITE
    (fault,) = check_status(scene.bars(), broken, 5)
    return Said(fault.code, fault.message)


def _fault_of(check: Any, scene: Scene, status: int) -> bool:
    return any(fault.code == "engine.invariant" for fault in check(scene.bars(), status, 5))


def _failing(scene: Scene, error: BaseException) -> Said:
    def fail(*_: Any) -> None:
        raise error

    scene.patch.setattr("foldward.worker.runner._run", fail)
    return scene.worked()


WAYS["engine.failed"] = lambda scene: _failing(scene, ZeroDivisionError("division by zero"))
WAYS["engine.memory"] = lambda scene: _failing(scene, MemoryError())


@way("engine.timeout")
def _(scene: Scene) -> Said:
    def hang(*_: Any) -> None:
        threading.Event().wait(30)

    scene.patch.setattr("foldward.worker.runner._run", hang)
    return scene.worked(deadline_s=0.05)


# --- storage -----------------------------------------------------------------------------------------------


def _database(scene: Scene) -> Path:
    from foldward.settings import Home, StorageTable
    from storage import open_writer

    home = Home(scene.folder / "home").make()
    open_writer(home.database, StorageTable()).close()
    return home.database


def _opened(scene: Scene) -> FoldwardError:
    from foldward.settings import StorageTable
    from storage import open_writer

    return caught(open_writer, scene.folder / "home" / "foldward.db", StorageTable())


line("storage.open", "db fsck")


@way("storage.newer")
def _(scene: Scene) -> FoldwardError:
    with apsw.Connection(str(_database(scene))) as database:
        database.pragma("user_version", 999)
    return _opened(scene)


@way("storage.migration")
def _(scene: Scene) -> FoldwardError:
    from storage.migrate import load

    (scene.folder / "first.sql").write_text("SELECT 1")
    return caught(load, scene.folder)


@way("storage.corrupt")
def _(scene: Scene) -> FoldwardError:
    file = _database(scene)
    file.write_bytes(b"SQLite format 3\x00" + b"\xaa" * 8_000)
    return _opened(scene)


@way("storage.busy")
def _(scene: Scene) -> FoldwardError:
    file = _database(scene)
    from foldward.settings import StorageTable
    from storage import open_writer

    writer = open_writer(file, StorageTable())
    try:
        return _opened(scene)
    finally:
        writer.close()


@way("storage.fenced")
def _(scene: Scene) -> Said:
    world = scene.world()
    world.writer.fence()
    (outcome,) = world.writer.apply([RetireStrategies(names=("sma-1",), at_us=1)])
    return Said(outcome.code, outcome.error)


@way("storage.write")
def _(scene: Scene) -> Said:
    world = scene.world()
    (outcome,) = world.writer.apply([RetireStrategies(names=("sma-1",), at_us=2**70)])
    return Said(outcome.code, outcome.error)


@way("storage.disk_full")
def _(scene: Scene) -> Said:
    world = scene.world()
    connection = world.writer._connection
    connection.pragma("max_page_count", connection.pragma("page_count"))
    big = replaced(Strategy(name="a" * 400, kind="sma", symbol="X"), symbol="S" * 200_000)
    from foldward.contracts.facts import ImportStrategies

    (outcome,) = world.writer.apply([ImportStrategies(strategies=(big,), at_us=1)])
    return Said(outcome.code, outcome.error)


@way("storage.io")
def _(scene: Scene) -> FoldwardError:
    from storage.database import storage_error

    return storage_error(apsw.IOError("disk I/O error"), "committing")


@way("storage.backup")
def _(scene: Scene) -> Said:
    _database(scene)
    return scene.line(f"db backup {scene.folder / 'home' / 'foldward.db'}")


# --- config ------------------------------------------------------------------------------------------------


def _settings(scene: Scene, text: str) -> Said:
    (scene.folder / "f.toml").write_text(text)
    return scene.line("--config f.toml core")


WAYS["config.unknown_key"] = lambda scene: _settings(scene, "[core]\nworkrs = 2\n")
WAYS["config.invalid"] = lambda scene: _settings(scene, "[core]\nworkers = -2\n")
WAYS["config.unreadable"] = lambda scene: _settings(scene, "[core\n")
line("config.usage", "statsu")


@way("config.foreign_package")
def _(scene: Scene) -> FoldwardError:
    from foldward.app import doctor

    scene.patch.setattr(doctor, "foreign_packages", lambda: ["storage (storages 1.0)"])
    return caught(doctor.require_own_rooms)


# --- supervision -------------------------------------------------------------------------------------------

line("supervision.core_down", "tree")
line("supervision.web_down", "web --login")


def _held(scene: Scene) -> Any:
    from foldward.settings import Home

    return Home(scene.folder / "home").make().lock()


@way("supervision.core_running")
def _(scene: Scene) -> Said:
    lock = _held(scene)
    try:
        return scene.line("core")
    finally:
        lock.release()


@way("supervision.no_answer")
def _(scene: Scene) -> FoldwardError:
    from foldward.console import Client

    lock = _held(scene)
    path = scene.folder / "home" / "run" / "inspect.sock"
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(path))
        deaf.listen()
        try:
            return caught(Client(scene.folder / "home", timeout=0.05).status)
        finally:
            lock.release()


def _verb(verb: str, **arguments: Any) -> Way:
    def ask(scene: Scene) -> FoldwardError:
        from foldward.console import Client
        from foldward.console.verbs import Verbs
        from supervision import boot
        from supervision.inspect import Server

        lock = _held(scene)
        root = boot(supervisor("root"))
        server = Server(root, scene.folder / "home/run/inspect.sock", verbs=Verbs(root, {}).table())
        try:
            with server:
                return caught(Client(scene.folder / "home").call, verb, **arguments)
        finally:
            root.stop()
            lock.release()

    return ask


WAYS["supervision.not_found"] = _verb("child", id="reportr")
WAYS["supervision.refused"] = _verb("reload")


def _told_of(scene: Scene, child: str) -> Said:
    error = scene.root.find(child)["last_error"]
    return Said(error["code"], error["message"])


@way("supervision.hung")
def _(scene: Scene) -> Said:
    gate = scene.forest.gate()
    scene.root = scene.forest.boot(scene.forest.toy("a", hang_after=0.05))
    scene.root.handle("a").tell(lambda _: gate.wait(10.0))
    eventually(lambda: scene.root.find("a")["last_error"])
    return _told_of(scene, "a")


def _process_that(end: str) -> Way:
    def way_of(scene: Scene) -> Said:
        slow = Backoff(first=60.0, ceiling=60.0)
        scene.root = scene.forest.boot(process("p", ["/bin/sh", "-c", end], backoff=slow))
        eventually(lambda: scene.root.find("p")["last_error"])
        return _told_of(scene, "p")

    return way_of


WAYS["supervision.process_killed"] = _process_that("kill -KILL $$")
WAYS["supervision.process_exited"] = _process_that("exit 3")


@way("supervision.budget_spent")
def _(scene: Scene) -> Said:
    inner = supervisor("s", scene.forest.toy("a"), intensity=0)
    scene.root = scene.forest.boot(inner, intensity=5)
    scene.root.handle("a").tell(boom)
    eventually(lambda: scene.root.find("s")["last_error"])
    return _told_of(scene, "s")


@way("supervision.start_failed")
def _(scene: Scene) -> FoldwardError:
    from foldward.settings import Home

    home = Home(scene.folder / ("long" * 30)).make()
    stat = home.root.stat()
    short = Path(f"/tmp/foldward-{os.getuid()}-{stat.st_dev:x}-{stat.st_ino:x}")
    short.mkdir(mode=0o777)
    short.chmod(0o777)
    try:
        return caught(home.socket, "inspect")
    finally:
        short.rmdir()


def _deaths(scene: Scene, count: int) -> Any:
    world = scene.world()
    request_id = str(world.submit("sma-1")[0].request_id)
    for number in range(count):
        peer = world.link.connect(f"w{number}")
        world.run()
        peer.started(request_id)
        peer.leave()
        world.pass_time(0.5)
    return world


@way("supervision.worker_lost")
def _(scene: Scene) -> Said:
    world = _deaths(scene, 1)
    told = [m for m in world.heard["rank_evaluator"] if getattr(m, "state", "") == "retry"]
    return Said(told[0].code, f"{told[0].name} goes to {told[0].state}")


@way("supervision.crash_loop")
def _(scene: Scene) -> Said:
    return scene.letter(_deaths(scene, 3))


# --- provider and us ---------------------------------------------------------------------------------------


@way("provider.open")
def _(scene: Scene) -> FoldwardError:
    from foldward.resilience import CircuitBreaker

    breaker = CircuitBreaker(1, 60.0)
    with pytest.raises(ZeroDivisionError):
        breaker.call(lambda: 1 / 0)
    return caught(breaker.call, lambda: 1)


class _Answers(BaseHTTPRequestHandler):
    """Every path is a status."""

    def do_GET(self) -> None:
        self.send_error(int(self.path[1:]))

    def log_message(self, *_: object) -> None:
        """Nobody asked."""


def _http(status: int) -> Way:
    def ask(_: Scene) -> FoldwardError:
        from foldward.data.providers._download import Query
        from foldward.data.providers.http import HttpProvider

        with HTTPServer(("127.0.0.1", 0), _Answers) as server:
            threading.Thread(target=server.handle_request, daemon=True).start()
            url = f"http://127.0.0.1:{server.server_port}/{status}"
            return caught(HttpProvider(url).fetch, Query("X", 60, 0, 1))

    return ask


WAYS["provider.failed"] = _http(500)
WAYS["provider.refused"] = _http(404)


@way("internal.bug")
def _(scene: Scene) -> Said:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    scene.patch.setattr("foldward.app.status.status", broken)
    return scene.line("status")


# --- the proof ---------------------------------------------------------------------------------------------


def test_every_code_has_a_way_and_every_way_a_code() -> None:
    assert set(WAYS) == set(CATALOGUE)


@pytest.mark.parametrize("code", list(CATALOGUE))
def test_a_code_comes_about_and_says_what_is_wrong(code: str, scene: Scene) -> None:
    said = WAYS[code](scene)
    assert said.code == code
    assert len(said.message) > 8
    if isinstance(said, FoldwardError):
        assert said.hint
        assert said.line().startswith(f"error {code}: ")
        family = FAMILIES["request" if code.startswith("queue.") else code.partition(".")[0]]
        assert isinstance(said, family)
