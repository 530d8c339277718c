"""Whatever is said to a running core's socket: a typed answer comes back, and the console lives on.

One core for all of these tests; each ends with a look at whether it is still the same incarnation.
"""

import contextlib
import json
import random
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from processes import Shell, small_core

from foldward.console import Client
from foldward.contracts.errors import CATALOGUE, FoldwardError
from supervision.inspect import MAX_LINE

pytestmark = pytest.mark.slow

PROTOCOL = {"inspect.request", "inspect.version", "inspect.unknown_verb", "inspect.too_long"}
OURS = set(CATALOGUE) - {"internal.bug"}


@pytest.fixture(scope="module")
def core() -> Iterator[Shell]:
    with small_core(1) as shell:
        yield shell


@pytest.fixture(autouse=True)
def nobody_was_hurt(core: Shell) -> Iterator[None]:
    client = Client(core.home)
    before = client.call("counters")
    yield
    tree = client.tree()
    assert client.call("counters")["restarts"] == before["restarts"]
    assert [tree["state"], *{child["state"] for child in tree["children"]}] == ["running", "running"]
    assert _incarnations(tree) == {1}
    assert client.call("crashes") == []


def _incarnations(node: dict[str, Any]) -> set[int]:
    return {node["incarnation"]}.union(*map(_incarnations, node["children"])) if node.get("children") else {1}


class Line:
    """One connection, told bytes as they are."""

    def __init__(self, core: Shell, timeout: float = 30.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        self._socket.connect(Client(core.home).core["inspect"])
        self._lines = self._socket.makefile("rb")

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._socket.close()

    def send(self, raw: bytes) -> None:
        self._socket.sendall(raw)

    def stuff(self, raw: bytes) -> None:
        """Ask until nothing more goes out, and read none of the answers."""
        self._socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.sendall(raw)

    def hear(self) -> dict[str, Any] | None:
        line = self._lines.readline()
        return json.loads(line) if line else None

    def ask(self, raw: bytes) -> dict[str, Any]:
        self.send(raw + b"\n")
        answer = self.hear()
        assert answer is not None, f"no answer to {raw[:200]!r}"
        return answer


def typed(answer: dict[str, Any]) -> str:
    """`ok`, or the code of a refusal that somebody foresaw."""
    if answer["ok"]:
        return "ok"
    error = answer["error"]
    assert error["code"] in PROTOCOL | OURS, error
    assert error["message"], error
    return str(error["code"])


def asked(line: Line, verb: Any, args: Any) -> dict[str, Any]:
    return line.ask(json.dumps({"verb": verb, "args": args}).encode())


# --- the line itself ---------------------------------------------------------------------------------------

BROKEN = [
    b"",
    b"\x00\xff\xfe binary",
    b"nonsense",
    b"[]",
    b"null",
    b"1",
    b'"tree"',
    b"{}",
    b'{"verb":null}',
    b'{"verb":["tree"]}',
    b'{"verb":{}}',
    b'{"verb":"tree","args":null}',
    b'{"verb":"tree","args":"x"}',
    b'{"verb":"tree","v":2}',
    b'{"verb":"tree","v":true}',
    b'{"verb":"tree","v":[1]}',
    b'{"verb":"treee"}',
    b'{"verb":"' + b"x" * 1_000_000 + b'"}',
    b'{"verb":"submit","args":{"names":["a"',
    b'{"verb":"dead_drop","args":{"ids":[' + b"9" * 5_000 + b"]}}",
    b'{"verb":"submit","args":{"names":["\\ud800"]}}',
    b"[" * 200_000,
    b'{"verb":"submit","args":{"names":["a"],"plan":' + b'{"grid":' * 3_000 + b"1" + b"}" * 3_000 + b"}}",
    b'{"verb":"submit","args":{"names":' + b"[" * 500 + b"]" * 500 + b"}}",
]


@pytest.mark.parametrize("raw", BROKEN, ids=lambda raw: repr(raw[:40]))
def test_a_broken_line_is_refused_and_the_next_one_on_the_same_connection_is_answered(
    core: Shell, raw: bytes
) -> None:
    with Line(core) as line:
        assert typed(line.ask(raw)) in PROTOCOL | {"request.bad_param", "request.bad_plan"}
        assert line.ask(b'{"verb":"ping"}')["ok"]


def test_a_line_beyond_the_limit_is_refused_without_being_read_to_its_end(core: Shell) -> None:
    with Line(core) as line:
        line.send(b"x" * (MAX_LINE + 1))
        answer = line.hear()
    assert answer is not None
    assert answer["error"]["code"] == "inspect.too_long"


def test_a_line_that_breaks_off_is_nobodys_request(core: Shell) -> None:
    for raw in (b'{"verb":"pau', b'{"verb":"pause"}'):
        with Line(core) as line:
            line.send(raw)
    assert Client(core.home).status()["draining"] is False


# --- arguments ---------------------------------------------------------------------------------------------

WRONG = [
    ("submit", {}, "request.bad_param", "names"),
    ("submit", {"names": []}, "request.bad_param", "names"),
    ("submit", {"names": "one"}, "request.bad_param", "names"),
    ("submit", {"names": ["a", 1]}, "request.bad_param", "names[1]"),
    ("submit", {"names": [""]}, "request.bad_param", "names[0]"),
    ("submit", {"names": ["a"], "knd": "oos"}, "request.bad_param", "did you mean 'kind'"),
    ("submit", {"names": ["a"], "kind": "oss"}, "request.bad_plan", "did you mean 'oos'"),
    ("submit", {"names": ["a"], "kind": ["oos"]}, "request.bad_param", "kind"),
    ("submit", {"names": ["a"], "now": "no"}, "request.bad_param", "now"),
    ("submit", {"names": ["a"], "plan": {"mode": "classic"}}, "request.bad_plan", "take no plan"),
    ("submit", {"names": ["a"], "kind": "wfv", "plan": [1]}, "request.bad_param", "plan"),
    ("cancel", {"request_ids": [""]}, "request.bad_param", "request_ids[0]"),
    ("retry", {"request_ids": None}, "request.bad_param", "request_ids"),
    ("pause", {"why": "tea"}, "request.bad_param", "this verb takes none"),
    ("dead_replay", {"ids": ["x"]}, "request.bad_param", "ids[0]"),
    ("dead_replay", {"ids": [2**64]}, "request.bad_param", "ids[0]"),
    ("dead_replay", {"all": True, "rate": 0}, "request.bad_param", "rate"),
    ("dead_replay", {"all": True, "rate": float("nan")}, "request.bad_param", "rate"),
    ("dead_replay", {"older_than_s": float("inf")}, "request.bad_param", "older_than_s"),
    ("dead_replay", {"older_than_s": -1}, "request.bad_param", "older_than_s"),
    ("dead_replay", {"all": True, "limit": "all"}, "request.bad_param", "limit"),
    ("dead_drop", {"ids": [True]}, "request.bad_param", "ids[0]"),
    ("import_strategies", {}, "request.bad_strategy", "fact"),
    ("import_strategies", {"fact": {"strategies": [{"name": "a"}]}}, "request.bad_strategy", "kind"),
    (
        "import_strategies",
        {"fact": {"strategies": [{"name": "a", "kind": "smaa"}], "at_us": 1}},
        "request.unknown_kind",
        "did you mean 'sma'",
    ),
    ("retire_strategies", {"fact": {"names": 1, "at_us": 1}}, "request.bad_strategy", "fact.names"),
    ("child", {"id": 7}, "inspect.request", "id"),
    ("crashes", {"id": {}}, "inspect.request", "id"),
    ("restart", {"id": "reportr"}, "supervision.not_found", "reportr"),
    ("restart", {"id": "reporter", "within_s": "soon"}, "inspect.request", "within_s"),
    ("restart", {"id": "reporter", "within_s": float("inf")}, "inspect.request", "within_s"),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "args", "code", "word"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_argument_is_refused_by_name(
    core: Shell, verb: str, args: dict[str, Any], code: str, word: str
) -> None:
    with Line(core) as line:
        answer = asked(line, verb, args)
    assert answer["error"]["code"] == code
    assert word in answer["error"]["message"]


NAMES = ["sma-AAPL-5-50", "rsi-SP500-7-25"]
PLANS = [
    ("wfv", {"train": 0, "test": 5}, "train is 0; it must be >= 1"),
    ("wfv", {"train": -90, "test": 5}, "train is -90"),
    ("wfv", {"train": 90, "test": 0}, "test is 0"),
    ("wfv", {"train": 90, "test": 30, "step": 0}, "step is 0"),
    ("wfv", {"train": 90, "test": 30, "step": float("inf")}, "finite"),
    ("wfv", {"train": float("nan"), "test": 30}, "finite"),
    ("wfv", {"train": 90, "test": 30, "purge": -1}, "purge is -1"),
    ("wfv", {"train": 90, "test": 30, "embargo": 0.5}, "embargo is 0.5"),
    ("wfv", {"train": "90 bars", "test": 30}, "train is '90 bars'"),
    ("wfv", {"train": "90d", "test": 30}, "one is in bars, one in time"),
    ("wfv", {"train": "9" * 400 + "d", "test": "1d"}, "the data end before"),
    ("wfv", {"train": 90}, "needs test"),
    ("wfv", {"mode": "roling"}, "did you mean 'rolling'"),
    ("wfv", {"mode": ["rolling"]}, "mode is ['rolling']"),
    ("wfv", {"mode": "classic", "train": 90}, "has no train"),
    ("wfv", {"train": 90, "test": 30, "anchored": "no"}, "anchored is 'no'"),
    ("wfv", {"trian": 90, "test": 30}, "did you mean 'train'"),
    ("wfv", {"mode": "holdout", "days": 0}, "days is 0"),
    ("wfv", {"train": 1_000_000, "test": 30}, "the data end before the first test window"),
    ("wfv", {"train": 10, "test": 1, "step": 1, "grid": {"sma_long": list(range(20, 520))}}, "measurements"),
    ("wfv", {"grid": {"sma_shrt": [5]}}, "did you mean 'sma_short'"),
    ("wfv", {"grid": {"sma_short": 5}}, "is 5; it is a list of values"),
    ("wfv", {"grid": {"sma_short": []}}, "has no values"),
    ("wfv", {"grid": {"sma_short": ["five"]}}, "no combination of the grid is allowed"),
    ("wfv", {"grid": {"sma_short": list(range(1000)), "sma_long": list(range(1000))}}, "10,000"),
    ("wfv", {"grid": []}, "grid is []"),
    ("cpcv", {"groups": 1}, "n_groups is 1"),
    ("cpcv", {"groups": 10, "test_groups": 10}, "at least one group must remain"),
    ("cpcv", {"groups": 10, "test_groups": 0}, "n_test_groups is 0"),
    ("cpcv", {"groups": 1_000_000, "test_groups": 500_000}, "far more than 20,000 splits"),
    ("cpcv", {"groups": 20_000, "test_groups": 10_000}, "far more than 20,000 splits"),
    ("cpcv", {"groups": 1e300, "test_groups": 2}, "far more than 20,000 splits"),
    ("cpcv", {"groups": "ten"}, "n_groups is 'ten'"),
    ("cpcv", {"group": 10}, "did you mean 'groups'"),
    ("cpcv", {"groups": 20_000, "test_groups": 1}, "every group needs at least one"),
    ("cpcv", {"groups": 10, "test_groups": 2, "purge": 100_000}, "nothing to learn from"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "plan", "word"), PLANS, ids=lambda value: str(value)[:60])
def test_a_split_plan_that_cannot_be_is_refused_before_it_is_queued(
    core: Shell, kind: str, plan: dict[str, Any], word: str
) -> None:
    with Line(core) as line:
        answer = asked(line, "submit", {"names": NAMES[:1], "kind": kind, "plan": plan})
    if answer["ok"]:
        (item,) = answer["result"]["items"]
        assert item["status"] == "refused"
        said = item
    else:
        said = answer["error"]
    assert said["code"] in ("request.bad_plan", "request.bad_param")
    assert word in said["message"]
    assert said["hint"]


def test_a_plan_is_judged_for_each_strategy_on_its_own_candles(core: Shell) -> None:
    """The grid fits one kind and not the other; a stranger is named by the queue."""
    plan = {"mode": "classic", "grid": {"period": [7, 14]}}
    with Line(core) as line:
        answer = asked(line, "submit", {"names": [*NAMES, "nobody"], "kind": "wfv", "plan": plan})
    first, second, third = answer["result"]["items"]
    assert (first["status"], first["code"]) == ("refused", "request.bad_plan")
    assert second["status"] in ("queued", "cached", "pending")
    assert (third["status"], third["code"]) == ("refused", "request.unknown_strategy")


# --- a lot of it -------------------------------------------------------------------------------------------

VERBS = [
    "ping", "tree", "child", "crashes", "stacks", "zombies", "counters", "restart", "core_status", "submit",
    "cancel", "retry", "pause", "resume", "rank_cycle", "dead_replay", "dead_drop", "dead_cancel",
    "backed_up", "import_strategies", "retire_strategies", "reload", "no such verb", "", "__class__",
    "__init__",
]  # fmt: skip
KEYS = [
    "names", "kind", "now", "origin", "plan", "ids", "request_ids", "rate", "limit", "note", "fact", "id",
    "all", "reason", "strategy", "older_than_s", "dry_run", "edit", "within_s", "", "\x00", "ß",
]  # fmt: skip
LEAVES: list[Any] = [
    None, True, False, 0, 1, -1, 2**31, 2**63, 2**64, -(2**63), 10**30, 0.5, -0.0, 1e308, float("nan"),
    float("inf"), "", "a", "oos", "wfv", "cpcv", "evidence", "sma-AAPL-5-50", "\ud83d", "\x00",
    "'; DROP TABLE", "x" * 600, "90d", "../../etc/passwd", [], {}, ["sma-AAPL-5-50"], [1], [None],
    {"mode": "classic"}, {"groups": 6, "test_groups": 2}, {"names": ["nobody"], "at_us": 1},
    {"strategies": [], "at_us": 0},
]  # fmt: skip


def made(rng: random.Random, depth: int = 0) -> Any:
    if depth > 3 or rng.random() < 0.7:
        return rng.choice(LEAVES)
    if rng.random() < 0.5:
        return [made(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(KEYS): made(rng, depth + 1) for _ in range(rng.randrange(4))}


@pytest.mark.parametrize("seed", range(6))
def test_random_requests_get_typed_answers_and_nothing_else(core: Shell, seed: int) -> None:
    rng = random.Random(seed)
    counts: dict[str, int] = {}
    with Line(core) as line:
        for _ in range(300):
            args = {rng.choice(KEYS): made(rng) for _ in range(rng.randrange(5))}
            if rng.random() < 0.3:
                args["names"] = NAMES
            request = {"verb": rng.choice(VERBS), "args": args}
            code = typed(line.ask(json.dumps(request).encode()))
            counts[code] = counts.get(code, 0) + 1
    Client(core.home).call("resume")
    assert counts["ok"] > 10
    assert len(counts) > 4


@pytest.mark.parametrize("seed", range(4))
def test_valid_lines_with_damaged_bytes_get_typed_answers(core: Shell, seed: int) -> None:
    rng = random.Random(seed)
    whole = json.dumps(
        {"v": 1, "verb": "submit", "args": {"names": NAMES, "kind": "wfv", "plan": {"train": 90}}}
    )
    with Line(core) as line:
        for _ in range(300):
            raw = bytearray(whole.encode())
            for _ in range(rng.randrange(1, 4)):
                place = rng.randrange(len(raw))
                if rng.random() < 0.5:
                    raw[place] = rng.choice([b for b in range(256) if b != 10])
                else:
                    del raw[place : place + rng.randrange(1, 9)]
            typed(line.ask(bytes(raw)))


# --- many at once ------------------------------------------------------------------------------------------


def _status_times(core: Shell, count: int) -> list[float]:
    client = Client(core.home)
    times = []
    for _ in range(count):
        start = time.perf_counter()
        assert client.status()["draining"] is False
        times.append(time.perf_counter() - start)
    return times


def _p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[98]


def test_a_thousand_connections_that_say_nothing_do_not_lock_the_operator_out(core: Shell) -> None:
    held = []
    try:
        for _ in range(1_000):
            one = socket.socket(socket.AF_UNIX)
            one.connect(Client(core.home).core["inspect"])
            held.append(one)
        assert _p99(_status_times(core, 200)) < 0.25
    finally:
        for one in held:
            one.close()


def test_a_thousand_calls_from_sixteen_clients_are_all_answered(core: Shell) -> None:
    with ThreadPoolExecutor(16) as pool:
        times = [t for part in pool.map(lambda _: _status_times(core, 63), range(16)) for t in part]
    assert len(times) == 1_008
    assert _p99(times) < 1.0


def test_slow_clients_and_clients_that_take_no_answer_delay_nobody(core: Shell) -> None:
    with Line(core) as drip, Line(core) as deaf:
        drip.send(b'{"verb":"tr')
        deaf.stuff(b'{"verb":"stacks"}\n')
        assert _p99(_status_times(core, 100)) < 0.25
        drip.send(b'ee"}\n')
        answer = drip.hear()
    assert answer is not None
    assert answer["result"]["id"] == "root"


def test_clients_that_leave_in_the_middle_of_an_answer_leave_nothing_behind(core: Shell) -> None:
    for _ in range(100):
        with Line(core) as line:
            line.send(b'{"verb":"tree"}\n{"verb":"stacks"}\n')
    assert _p99(_status_times(core, 100)) < 0.25
    threads = [name for name in Client(core.home).call("stacks") if "inspect-client" in str(name)]
    assert len(threads) <= 3


def test_two_clients_that_order_the_same_hear_the_same(core: Shell) -> None:
    plan = {"groups": 6, "test_groups": 2}
    answers: list[Any] = []
    start = threading.Barrier(2)

    def order() -> None:
        client = Client(core.home, timeout=60)
        start.wait(10)
        answers.append(client.call("submit", names=NAMES, kind="cpcv", plan=plan)["items"])

    pair = [threading.Thread(target=order) for _ in range(2)]
    for one in pair:
        one.start()
    for one in pair:
        one.join(60)
    first, second = answers
    assert [item["request_id"] for item in first] == [item["request_id"] for item in second]
    assert {item["status"] for item in first + second} <= {"queued", "pending", "cached"}


def test_the_client_says_the_cores_own_error(core: Shell) -> None:
    with pytest.raises(FoldwardError) as caught:
        Client(core.home).call("submit", names=NAMES, kind="cpcv", plan={"groups": 10, "test_groups": 10})
    assert (caught.value.code, caught.value.exit_code) == ("request.bad_plan", 2)
    assert caught.value.line().endswith("— hint: choose n_test_groups <= 9")
