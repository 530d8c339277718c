"""The worker's command line. Connects first and imports the engine while the handshake runs."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

from loguru import logger

from foldward.contracts.errors import ConfigError, FoldwardError, did_you_mean
from foldward.worker import _log
from foldward.worker._limits import Parent, limit_memory
from foldward.worker.kinds import load


class Parser(argparse.ArgumentParser):
    """Answers a wrong line as every command does: one line with code and hint, exit 2."""

    def error(self, message: str) -> NoReturn:
        """One line instead of the whole usage."""
        known = [option for action in self._actions for option in action.option_strings]
        first = next((word for word in message.split() if word.startswith("--")), "")
        near = did_you_mean(first, known) if message.startswith("unrecognized") else None
        if near is not None:
            message += f"; did you mean {near}?"
        self.exit(2, ConfigError("config.usage", message, hint="foldward worker --help").line() + "\n")


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = Parser(
        prog="python -m foldward.worker",
        description="Takes backtest requests from core (or from a peer), computes them, answers.",
    )
    made.add_argument("--connect", help="core's endpoint: ipc://… or tcp://host:port")
    made.add_argument("--id", default=f"worker-{os.getpid()}", help="name under which core knows this worker")
    made.add_argument("--cache", default="./var/cache", help="cache of canonical candles")
    made.add_argument("--data-root", action="append", default=[], help="folder candles may be read from")
    made.add_argument("--kinds", action="append", default=[], help="module that registers kinds of strategy")
    made.add_argument("--memory-mb", type=int, default=0, help="limit of the address space; 0: none")
    made.add_argument("--log", help="log file beside stderr")
    made.add_argument("--log-level", default="INFO")
    made.add_argument(
        "--capacity",
        type=int,
        help="requests it may hold (default 2: one running, one ahead; cluster: 20 a CPU)",
    )
    made.add_argument(
        "--cluster", help="compute on a Ray cluster: host:port, auto, or local[:CPUS] to start one here"
    )
    made.add_argument(
        "--max-frame",
        type=int,
        help="core's link.max_frame (default 8 MiB): an answer beyond it would be thrown away there",
    )
    made.add_argument("--timeout-s", type=float, default=None, help="longest time of one job")
    made.add_argument("--heartbeat-s", type=float, default=10.0, help="time between signs of life")
    made.add_argument("--parent", type=int, default=None, help="pid whose end is this worker's end")
    made.add_argument("--serve", action="store_true", help="stand in for a peer's service on pushpull")
    made.add_argument("--requests", default="tcp://127.0.0.1:5580", help="--serve: where requests are pulled")
    made.add_argument("--results", default="tcp://127.0.0.1:5581", help="--serve: where answers are pushed")
    made.add_argument("--connect-requests", action="store_true", help="--serve: connect instead of bind")
    made.add_argument("--bind-results", action="store_true", help="--serve: bind instead of connect")
    made.add_argument(
        "--profile", choices=("next_open", "peer"), help="engine profile of strategies that name none"
    )
    made.add_argument("--curve-public-key", default=os.environ.get("FOLDWARD_LINK__CURVE_PUBLIC_KEY", ""))
    made.add_argument("--curve-server-key", default=os.environ.get("FOLDWARD_LINK__CURVE_SERVER_KEY", ""))
    made.add_argument("--keys", help="key file of this worker (foldward keys worker makes it)")
    made.add_argument(
        "--allow-plain", action="store_true", help="connect to another machine without CURVE keys"
    )
    made.add_argument("--self-test", action="store_true", help="run one tiny job and exit 0 if it is right")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run a worker; returns its exit code: 0 stopped, 1 self-test failed, 2 usage."""
    options = parser().parse_args(argv)
    if not (options.connect or options.serve or options.self_test):
        parser().error("one of --connect, --serve and --self-test is needed")
    if options.cluster and not options.connect:
        parser().error("--cluster needs --connect: a bridge works for core")
    _log.set_up(options.id, options.log, options.log_level.upper())
    try:
        if options.self_test:
            from foldward.worker.self_test import self_test

            return self_test()
        return _work(options)
    except FoldwardError as error:
        logger.error("{}", error.line())
        return error.exit_code


def _work(options: argparse.Namespace) -> int:
    # Until the loop can drain, a signal simply ends the process: nothing has been taken yet.
    parent = _parent(options)
    if options.cluster:
        from foldward.worker.cluster.start import run_bridge

        return run_bridge(options, parent, _link_settings(options), version())
    wire, settings = _wire(options)
    desk = _desk(options, settings)
    from foldward.wire.links import Heart, Pulse, ServiceHeart
    from foldward.worker.life import live
    from foldward.worker.process import WorkerProcess

    local = not options.serve and options.connect.startswith("ipc://")
    process = WorkerProcess(
        wire,
        desk,
        id=options.id,
        version=version(),
        parent=parent,
        local=local,
        capacity=options.capacity or 2,
    )

    def heart() -> Pulse:
        if options.serve:
            return ServiceHeart(wire, process.beat, interval_s=options.heartbeat_s, check=process.check)
        return Heart(
            options.connect,
            options.id,
            process.beat,
            interval_s=options.heartbeat_s,
            check=process.check,
            settings=settings,
        )

    return live(process, heart)


def _parent(options: argparse.Namespace) -> Parent | None:
    if options.parent is not None:
        return Parent(options.parent)
    # A worker on another host outlives the shell that started it; one on ipc belongs to the core beside it.
    if options.connect and options.connect.startswith("ipc://"):
        return Parent()
    return None


def _link_settings(options: argparse.Namespace) -> Any:
    from foldward.settings import LinkTable

    limits: dict[str, Any] = {} if options.max_frame is None else {"max_frame": options.max_frame}
    if options.keys:
        from foldward.settings.keys import read_keys

        keys = read_keys(Path(options.keys))
        return LinkTable(
            curve_public_key=keys.public,
            curve_secret_key=keys.secret,
            curve_server_key=keys.server or options.curve_server_key,
            allow_plain=options.allow_plain,
            **limits,
        )
    return LinkTable(
        curve_public_key=options.curve_public_key,
        curve_secret_key=os.environ.get("FOLDWARD_LINK__CURVE_SECRET_KEY", ""),
        curve_server_key=options.curve_server_key,
        allow_plain=options.allow_plain,
        **limits,
    )


def _wire(options: argparse.Namespace) -> tuple[Any, Any]:
    from foldward.backtest import ENGINE_VERSION
    from foldward.wire.links import ServicePort, WorkerPort

    settings = _link_settings(options)
    if options.serve:
        service = ServicePort(
            options.requests,
            options.results,
            bind_requests=not options.connect_requests,
            bind_results=options.bind_results,
            settings=settings,
        )
        return service, settings
    port = WorkerPort(
        options.connect,
        options.id,
        capacity=options.capacity or 2,
        version=version(),
        engine=ENGINE_VERSION,
        settings=settings,
    )
    return port, settings


def _desk(options: argparse.Namespace, settings: Any) -> Any:
    import numpy as np  # noqa: F401 - imported here, so that the handshake runs meanwhile

    from foldward.backtest import warm_up
    from foldward.data.cache import Cache
    from foldward.worker.desk import Desk

    for path in options.data_root:
        if not os.path.isdir(path):
            logger.warning("data root {} does not exist", path)
    load(options.kinds)
    warm_up()
    if options.memory_mb:
        limit = limit_memory(options.memory_mb)
        logger.debug("address space limited to {} MiB", limit >> 20)
    return Desk(
        Cache(options.cache),
        tuple(Path(path) for path in options.data_root),
        worker=options.id,
        timeout_s=options.timeout_s,
        profile=options.profile,
        max_frame=settings.max_frame,
    )


def version() -> str:
    """The installed version."""
    try:
        return metadata.version("foldward")
    except metadata.PackageNotFoundError:
        return "0"
