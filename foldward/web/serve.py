"""Run the dashboard in the foreground with uvicorn."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn

from foldward.contracts.errors import WireError
from foldward.settings import Home, WebTable
from foldward.web.app import StatusSource, make_app


def serve(home: Home, settings: WebTable, collect: StatusSource, ready: Callable[[str], None]) -> int:
    """Bind, say where, serve until SIGTERM or Ctrl-C. Raises wire.endpoint_taken when the port is in use."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise WireError(
            "wire.endpoint_taken",
            message=f"{settings.host}:{settings.port} cannot be bound: {error.strerror}",
            hint="stop the other program, or set web.port",
        ) from error
    port = listener.getsockname()[1]
    host = f"[{settings.host}]" if family == socket.AF_INET6 else settings.host
    ready(f"http://{host}:{port}/")
    # An open event stream must not hold up a stop: honcho kills after five seconds.
    config = uvicorn.Config(
        make_app(home, collect),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
        lifespan="off",
    )
    uvicorn.Server(config).run(sockets=[listener])
    return 0
