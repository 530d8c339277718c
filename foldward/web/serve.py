"""Run the dashboard in the foreground with uvicorn."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import uvicorn

from foldward.contracts.errors import WireError
from foldward.settings import Home, WebTable
from foldward.web.app import StatusSource, make_app


def serve(home: Home, settings: WebTable, collect: StatusSource, ready: Callable[[str], None]) -> int:
    """Bind, say where, serve until SIGTERM or Ctrl-C. Raises wire.endpoint_taken when the port is in use."""
    listener = _listen(settings.host, settings.port)
    ready(_address(listener))
    _server(home, collect).run(sockets=[listener])
    return 0


def serve_in_thread(home: Home, settings: WebTable, collect: StatusSource) -> str:
    """Serve as long as this process lives; another free port when the usual one is taken. Its address."""
    try:
        listener = _listen(settings.host, settings.port)
    except WireError:
        listener = _listen(settings.host, 0)
    server = _server(home, collect)
    threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="dashboard", daemon=True).start()
    return _address(listener)


def _server(home: Home, collect: StatusSource) -> uvicorn.Server:
    # An open event stream must not hold up a stop: honcho kills after five seconds.
    config = uvicorn.Config(
        make_app(home, collect),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
        lifespan="off",
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
