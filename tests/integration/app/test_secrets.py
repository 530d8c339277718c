"""No secret leaves: each way out of the product is tried with texts that hold one."""

from __future__ import annotations

import json
import logging as stdlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from actors._event_log import EventLog
from foldward.app import logging
from foldward.contracts import clock
from foldward.contracts.facts import (
    AdmitRequest,
    CancelRequests,
    FailAttempt,
    GiveUp,
    HoldDeadLetter,
    LeaseRequest,
    NoteEvent,
    SettleDeadLetter,
)
from foldward.contracts.masking import mask
from foldward.contracts.messages import Emit
from foldward.settings import StorageTable
from foldward.worker import _log
from storage import open_writer
from supervision import Actor, Child, boot, inspect, supervisor

SECRET = "hush4711hush"
TEXTS = (
    f"api_key={SECRET}",
    f'{{"password": "{SECRET}"}}',
    f"Authorization: Bearer {SECRET}",
    f"https://user:{SECRET}@host/x",
    f"https://discord.com/api/webhooks/1/{SECRET}",
    f"https://hooks.slack.com/services/T/B/{SECRET}",
    f"tgram://{SECRET}/42",
    f"token: {SECRET}, secret = '{SECRET}'",
    f"discord://1/{SECRET}",
)
ALL = " | ".join(TEXTS)
T0 = 1_770_120_000_000_000


@pytest.fixture
def quiet_again() -> Iterator[None]:
    """Loguru and the standard library as they were."""
    root, hook = stdlib.getLogger(), threading.excepthook
    before, level = root.handlers[:], root.level
    yield
    logger.remove()
    logger.configure(patcher=lambda record: None)
    logger.add(sys.stderr)
    root.handlers[:], root.level, threading.excepthook = before, level, hook


def fail(text: str) -> None:
    raise ValueError(text)


def log_everything() -> None:
    for text in TEXTS:
        logger.info(text)
        logger.warning("with arguments {}", text)
        stdlib.getLogger("some.library").error("stdlib %s", text)
    try:
        fail(ALL)
    except ValueError:
        logger.exception("caught")
        stdlib.getLogger("some.library").exception("caught by a library")
    thread = threading.Thread(target=fail, args=(ALL,), name="ends-badly")
    thread.start()
    thread.join()


def test_no_line_of_cores_log_holds_one(tmp_path: Path, quiet_again: None, capfd: Any) -> None:
    logging.configure("core", tmp_path / "core.log", stderr_level="DEBUG")
    log_everything()
    said = (tmp_path / "core.log").read_text()
    assert SECRET not in said
    assert SECRET not in capfd.readouterr().err
    assert "api_key=***" in said
    assert said.count("ValueError: api_key=***") >= 3
    assert "in fail\n    raise ValueError(text)" in said
    assert "thread ends-badly was ended by an exception" in said


def test_no_line_of_a_workers_log_holds_one(tmp_path: Path, quiet_again: None, capfd: Any) -> None:
    _log.set_up("worker-1", str(tmp_path / "w.log"), "DEBUG")
    for text in TEXTS:
        logger.info(text)
    try:
        fail(ALL)
    except ValueError:
        logger.exception("caught")
    said = (tmp_path / "w.log").read_text()
    assert SECRET not in said + capfd.readouterr().err
    assert "ValueError: api_key=***" in said


def test_no_event_holds_one(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "telemetry.jsonl", max_bytes=10**6, keep=1)
    log.open()
    data = {"path": ALL, "nested": {"api_key": SECRET, "list": list(TEXTS)}}
    log.record([Emit(event_type="db.backup", data=data, at_us=T0, service="test")])
    log.close()
    assert SECRET not in (tmp_path / "telemetry.jsonl").read_text()


def test_no_row_holds_one_but_the_payload_of_a_dead_letter(tmp_path: Path) -> None:
    path = tmp_path / "foldward.db"
    writer = open_writer(path, StorageTable())

    def rid(number: int) -> str:
        return f"01980000-0000-7000-8000-{number:012d}"

    facts: list[Any] = []
    for number in (1, 2, 3):
        facts.append(
            AdmitRequest(
                request_id=rid(number),
                name=f"s{number}",
                kind="oos",
                digest=f"sha256:{number:064x}",
                payload=b"{}",
                requested_us=T0,
                due_us=T0,
            )
        )
        facts.append(LeaseRequest(request_id=rid(number), worker="w", sent_us=T0, deadline_us=T0 + 10**9))
    facts += [
        FailAttempt(request_id=rid(1), at_us=T0, code="engine.failed", error=ALL, due_us=T0, cause="result"),
        GiveUp(request_id=rid(2), at_us=T0, reason="exhausted", code="engine.failed", error=ALL),
        CancelRequests(request_ids=(rid(3),), why=ALL, at_us=T0),
        NoteEvent(request_id=rid(1), event="oos.deferred", data={"reason": ALL, "token": SECRET}, at_us=T0),
        HoldDeadLetter(reason="schema", code="wire.x", error=ALL, payload=b"as it came", at_us=T0),
        SettleDeadLetter(dead_id=1, state="dropped", at_us=T0, outcome=ALL, note=ALL),
    ]
    for fact in facts:
        (outcome,) = writer.apply([fact])
        assert outcome.ok, outcome
    writer.checkpoint(force=True)
    writer.close()
    whole = b"".join(file.read_bytes() for file in tmp_path.glob("foldward.db*"))
    assert b"api_key=***" in whole
    assert SECRET.encode() not in whole


class Blabber(Actor):
    """Crashes and says what it should not."""

    def on_receive(self, message: Any) -> Any:
        raise RuntimeError(ALL)


def test_no_crash_report_and_no_tree_on_the_socket_holds_one(tmp_path: Path) -> None:
    told = threading.Event()
    root = boot(
        supervisor("root", Child("blabber", Blabber), intensity=5, period=60.0), on_crash=lambda _: told.set()
    )
    try:
        with inspect.Server(root, tmp_path / "i.sock", outgoing=mask):
            root.handle("blabber").tell("go")
            assert told.wait(10)
            client = inspect.Client(tmp_path / "i.sock")
            said = json.dumps([client.call(verb) for verb in ("tree", "crashes", "stacks")])
            assert "RuntimeError" in said
            assert "api_key=***" in said
            assert SECRET not in said
            with pytest.raises(inspect.InspectError) as caught:
                client.call(f"token={SECRET}")
            assert SECRET not in str(caught.value)
    finally:
        root.stop(5.0)


def run(home: Path, *line: str, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("FOLDWARD_")}
    return subprocess.run(
        [sys.executable, "-m", "foldward.cli", *line],
        env={**clean, "FOLDWARD_HOME": str(home), **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_config_show_says_that_a_secret_is_set_and_not_which(tmp_path: Path) -> None:
    file = tmp_path / "foldward.toml"
    file.write_text(
        f'[notify]\nurls = ["discord://1/{SECRET}"]\n[web]\ntoken = "{SECRET}"\n'
        f'[link]\ncurve_secret_key = "{SECRET}"\n'
    )
    for line in (("config", "show"), ("config", "show", "--json"), ("config", "check", str(file), "--json")):
        done = run(tmp_path, *line, FOLDWARD_CONFIG=str(file))
        assert done.returncode == 0, done.stderr
        assert SECRET not in done.stdout + done.stderr
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(
        f'[web]\ntoken = ["{SECRET}"]\nport = "x{SECRET}"\n[notify]\nurls = "discord://1/{SECRET}"\n'
    )
    done = run(tmp_path, "config", "check", str(wrong), "--json")
    assert done.returncode == 2
    assert f"discord://1/{SECRET}" not in done.stdout + done.stderr


@pytest.mark.slow
def test_an_error_on_the_command_line_holds_none(tmp_path: Path) -> None:
    done = run(tmp_path, "why", f"token={SECRET}")
    assert done.returncode == 4
    assert SECRET not in done.stdout + done.stderr
    assert clock.utc_us() > 0
