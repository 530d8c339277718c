"""Run the dashboard with uvicorn, and say where it is and how to sign in."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

import uvicorn
from loguru import logger

from foldward.contracts.errors import ConfigError, SupervisionError, WireError
from foldward.settings import Home, WebTable
from foldward.web._access import Access, check_binding
from foldward.web.app import StatusSource, make_app

FILE = "web.json"  # in the run directory, for its owner only


def serve(home: Home, settings: WebTable, collect: StatusSource, ready: Callable[[str], None]) -> int:
    """Bind, say where, serve until SIGTERM or Ctrl-C.

    Raises wire.endpoint_taken when the port is in use, config.invalid when other machines could reach it
    without a token.
    """
    listener, access = _open(home, settings)
    # uvicorn raises the signal that ended it once more, to what was here before: that shall not be a death
    # on the spot, which would leave the file with the token behind.
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        ready(_address(listener))
        _server(home, collect, settings, access).run(sockets=[listener])
    finally:
        signal.signal(signal.SIGTERM, before)
        _forget(home)
    return 0


def _leave(*_: Any) -> None:
    raise SystemExit(0)


def serve_in_thread(home: Home, settings: WebTable, collect: StatusSource) -> str:
    """Serve as long as this process lives; another free port when the usual one is taken. Its address."""
    try:
        listener, access = _open(home, settings)
    except WireError:
        listener, access = _open(home, settings.model_copy(update={"port": 0}))
    server = _server(home, collect, settings, access)
    atexit.register(_forget, home)
    threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="dashboard", daemon=True).start()
    return _address(listener)


def login_address(home: Home, settings: WebTable) -> str:
    """The address that signs a browser in to the dashboard of this home.

    The token stands behind `#`: browsers keep that part to themselves, so no log of a server or proxy has
    it. Raises supervision.web_down when no dashboard runs here.
    """
    try:
        told: dict[str, Any] = json.loads((home.run_dir / FILE).read_text())
        url, token = str(told["url"]), str(told["token"])
        os.kill(int(told["pid"]), 0)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SupervisionError(
            "supervision.web_down",
            f"no dashboard is running in {home.root}",
            hint=f"foldward web --home {home.root}",
        ) from error
    token = token or settings.token.get_secret_value()
    if not token:
        raise ConfigError(
            "config.usage",
            "the dashboard runs with a token of its own settings",
            hint="name the same settings with --config, or type the token at its login page",
        )
    return f"{url}login#{token}"


def _open(home: Home, settings: WebTable) -> tuple[socket.socket, Access]:
    check_binding(settings)
    listener = _listen(settings.host, settings.port)
    # The port that was taken, so that two dashboards of one machine have two cookies.
    access = Access(settings.model_copy(update={"port": listener.getsockname()[1]}))
    _tell(home, _address(listener), access)
    return listener, access


def _tell(home: Home, url: str, access: Access) -> None:
    """Leave the address, and a token that was made here, for the owner of this home.

    Where that cannot be written the dashboard serves all the same: nobody can sign in with a token that
    nobody can read, so its pages are for reading.
    """
    told = {"pid": os.getpid(), "url": url, "token": access.token if access.generated else ""}
    file = home.run_dir / FILE
    try:
        home.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Private from its first byte on, and whole from the moment it has its name.
        fresh = file.with_name(f"{FILE}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        with open(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as out:
            out.write(json.dumps(told) + "\n")
        fresh.replace(file)
    except OSError as error:
        logger.warning("the dashboard's address could not be left in {}: {}", file, error)


def _forget(home: Home) -> None:
    """Take back what was left, unless another dashboard has left its own since."""
    file = home.run_dir / FILE
    with contextlib.suppress(OSError, ValueError, KeyError):
        if json.loads(file.read_text())["pid"] == os.getpid():
            file.unlink()


def _server(home: Home, collect: StatusSource, settings: WebTable, access: Access) -> uvicorn.Server:
    # An open event stream must not hold up a stop: honcho kills after five seconds.
    config = uvicorn.Config(
        make_app(home, collect, settings, access),
        log_level="warning",
        log_config=None,  # into the process's own log, where secrets are masked
        access_log=False,
        timeout_graceful_shutdown=1,
        lifespan="off",
        server_header=False,
    )
    return uvicorn.Server(config)


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise WireError(
            "wire.endpoint_taken",
            message=f"{host}:{port} cannot be bound: {error.strerror}",
            hint="stop the other program, or set web.port",
        ) from error
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
