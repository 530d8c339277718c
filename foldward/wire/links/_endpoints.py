"""Addresses: where the native link lies, whether one is free, and which need CURVE."""

from __future__ import annotations

import errno
import hashlib
import ipaddress
import os
import re
import socket
import tempfile
from pathlib import Path

import zmq

from foldward.contracts.errors import ConfigError, WireError
from foldward.settings import LinkTable

IPC_LIMIT = 100  # bytes: a Unix socket's path holds 108, and ZMQ takes a few


def native_endpoint(settings: LinkTable, run_dir: Path) -> str:
    """The configured endpoint, or `ipc://RUN_DIR/link.sock`; a short private path when that is too long.

    Raises WireError `wire.endpoint_taken` when the short path's folder is not a private one of this user.
    """
    if settings.native_endpoint:
        return settings.native_endpoint
    path = run_dir.absolute() / "link.sock"
    if len(os.fsencode(path)) <= IPC_LIMIT:
        return f"ipc://{path}"
    key = hashlib.sha256(os.fsencode(run_dir.absolute())).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"foldward-{os.getuid()}-{key}"
    folder.mkdir(mode=0o700, exist_ok=True)
    owner = folder.lstat()
    if owner.st_uid != os.getuid() or owner.st_mode & 0o077:
        raise WireError(
            "wire.endpoint_taken",
            message=f"{folder} is not a private folder of this user",
            hint="remove it, or choose a shorter --home",
        )
    return f"ipc://{folder}/link.sock"


_PORT = re.compile(r":(\d+|\*)?$")


def needs_curve(endpoint: str) -> bool:
    """True for TCP beyond this machine: for every address but a loopback one and `localhost`.

    A name is not looked up: whoever answers for it decides where it leads.
    """
    if not endpoint.startswith("tcp://"):
        return False
    # tcp://SOURCE;TARGET names the own address first (zmq_tcp(7)).
    target = endpoint.removeprefix("tcp://").rpartition(";")[2]
    host = _PORT.sub("", target)  # an address without one is for the socket to refuse
    if host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return True


def secure(sock: zmq.Socket[bytes], settings: LinkTable, endpoint: str, *, server: bool) -> None:
    """Set CURVE keys where they are configured.

    Raises WireError `wire.curve_required` for an endpoint beyond this machine that has none.
    """
    secret = settings.curve_secret_key.get_secret_value()
    if secret:
        try:
            sock.curve_secretkey = secret.encode()
            if server:
                sock.curve_server = 1
            else:
                sock.curve_publickey = settings.curve_public_key.encode()
                sock.curve_serverkey = settings.curve_server_key.encode()
        except zmq.ZMQError as error:
            raise WireError(
                "wire.curve_required",
                message=f"{endpoint}: a CURVE key is not 40 characters of Z85, or is missing",
                hint="set link.curve_public_key, curve_secret_key and, to connect, curve_server_key",
            ) from error
    elif needs_curve(endpoint) and not settings.allow_plain:
        raise WireError(
            "wire.curve_required",
            message=f"{endpoint} is reachable from other machines and link.curve_secret_key is not set",
        )


def bind(sock: zmq.Socket[bytes], endpoint: str) -> str:
    """Bind; the address really bound (a `*` port is filled in). Raises WireError `wire.endpoint_taken`."""
    if endpoint.startswith("ipc://"):
        path = endpoint.removeprefix("ipc://")
        if _answers(path):
            # ZMQ would silently unlink the other process's socket and take its place.
            raise WireError("wire.endpoint_taken", message=f"another process answers at {endpoint}")
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        sock.bind(endpoint)
    except zmq.ZMQError as error:
        taken = error.errno in (errno.EADDRINUSE, errno.EACCES)
        what = "is already taken" if taken else f"cannot be bound: {plain(error)}"
        raise WireError("wire.endpoint_taken", message=f"{endpoint} {what}") from error
    bound = sock.getsockopt(zmq.LAST_ENDPOINT)
    assert isinstance(bound, bytes)
    return bound.rstrip(b"\0").decode()


def plain(error: zmq.ZMQError) -> str:
    """What went wrong, without the address that pyzmq appends to it: we name that ourselves."""
    return zmq.strerror(error.errno or 0)


def connect(sock: zmq.Socket[bytes], endpoint: str) -> None:
    """Connect. Raises ConfigError `config.invalid` for what is no address."""
    try:
        sock.connect(endpoint)
    except zmq.ZMQError as error:
        raise ConfigError(
            "config.invalid",
            f"{endpoint} is no address to connect to: {plain(error)}",
            hint="ipc://PATH or tcp://HOST:PORT",
        ) from error


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except OSError:
            return False
    return True
