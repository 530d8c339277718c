"""Inspection: a unix-domain socket that answers one JSON line with one JSON line.

    → {"v": 1, "verb": "tree", "args": {}}
    ← {"v": 1, "ok": true, "result": {…}}            or {"v": 1, "ok": false, "error": {"code", "message"}}

The reading verbs look at plain attributes in the server's own threads and ask nobody, so they answer while
every actor hangs. A product adds its own verbs; each connection has its own thread, so a slow verb delays
nobody else. The socket is for its owner only (mode 0600).
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from supervision._clock import real
from supervision._lines import MAX_LINE, PROTOCOL, InspectError, as_error, encode, refusal, reply, request
from supervision._verbs import Verb, built_in
from supervision.root import Root

__all__ = ["MAX_LINE", "PROTOCOL", "Client", "InspectError", "Server", "Verb"]

MAX_PATH = 100  # bytes; sun_path holds 108 on Linux, less elsewhere
MAX_CONNECTIONS = 256
BACKLOG = 1024  # the kernel refuses at once what does not fit
IDLE_S = 600.0
SEND_S = 10.0  # a client that does not take its answer gives its place free

_BUSY = {"code": "supervision.no_answer", "message": f"{MAX_CONNECTIONS} requests are being answered already"}
_TOO_LONG = {"code": "inspect.too_long", "message": f"a request has at most {MAX_LINE} bytes"}


class Server:
    """Answers on `path` for `root`. `verbs`: name → function of the args dict to something JSON can hold.

    A verb that raises an exception with `code` (a dotted str) is answered with that code, `message` and, when
    it has `as_dict()`, its details; InspectError is the plain way to do so. `outgoing` sees every answer
    before it leaves and gives what is sent: crash reports quote whatever a child said.
    """

    def __init__(
        self,
        root: Root,
        path: str | os.PathLike[str],
        verbs: Mapping[str, Verb] | None = None,
        outgoing: Callable[[dict[str, Any]], Any] = dict,
    ) -> None:
        self.root = root
        self.path = Path(path)
        self.outgoing = outgoing
        self.verbs: dict[str, Verb] = {**built_in(root), **(verbs or {})}
        self._socket: socket.socket | None = None
        # In the order in which they were last answered; the value says whether an answer is under way.
        self._connections: dict[socket.socket, bool] = {}
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._inode: int | None = None

    def start(self) -> Server:
        """Bind and answer. Raises ValueError: path too long, OSError: somebody else listens."""
        raw = os.fsencode(self.path)
        if len(raw) > MAX_PATH:
            raise ValueError(f"socket path of {len(raw)} bytes, at most {MAX_PATH}: {self.path}")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._clear_stale()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            os.fchmod(listener.fileno(), 0o600)  # the file is made with this mode: never open to others
            listener.bind(str(self.path))
            self.path.chmod(0o600)
            listener.listen(BACKLOG)
            self._inode = self.path.stat().st_ino
        except OSError:
            listener.close()
            raise
        self._socket = listener
        self._spawn(self._accept, "supervision-inspect")
        return self

    def close(self, timeout: float = 1.0) -> None:
        """Stop listening, let answers under way go out, remove the socket file, end the threads."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            connections, threads = list(self._connections), list(self._threads)
        if self._socket is not None:
            _shut(self._socket, socket.SHUT_RDWR)
            self._socket.close()
        with contextlib.suppress(OSError):
            if self.path.stat().st_ino == self._inode:  # not one that a successor has made meanwhile
                self.path.unlink()
        for connection in connections:
            _shut(connection, socket.SHUT_RD)  # no further request; the present answer still goes out
        end = real() + timeout
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, end - real()))
        for connection in connections:
            _shut(connection, socket.SHUT_RDWR)

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *_error: object) -> None:
        self.close()

    def answer(self, line: bytes) -> dict[str, Any]:
        """The reply to one request line; never raises."""
        try:
            name, args = request(line)
            verb = self.verbs.get(name)
            if verb is None:
                near = difflib.get_close_matches(name[:80], self.verbs, 1)
                known = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(self.verbs))}"
                raise InspectError("inspect.unknown_verb", f"no verb {name[:80]!r}: {known}")
            return reply(verb(args))
        except Exception as error:  # whatever a verb raises is its answer, never the server's end
            return refusal(as_error(error))

    def _clear_stale(self) -> None:
        """Remove the socket of a server that is gone; somebody who answers keeps it."""
        if not self.path.is_socket():
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1.0)
            try:
                probe.connect(str(self.path))
            except (ConnectionRefusedError, FileNotFoundError):
                self.path.unlink(missing_ok=True)
            else:
                raise OSError(f"somebody answers on {self.path} already")

    def _spawn(self, target: Callable[..., Any], name: str, *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, name=name, daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()

    def _accept(self) -> None:
        assert self._socket is not None
        while not self._closed:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                if self._closed:
                    return
                threading.Event().wait(0.05)  # out of file descriptors: give somebody time to close one
                continue
            with self._lock:
                if self._closed:
                    connection.close()  # not "busy": a successor may answer on this path in a moment
                    return
                full = not self._make_room()
                if not full:
                    self._connections[connection] = False
            if full:
                with connection, contextlib.suppress(OSError):
                    connection.setblocking(False)
                    connection.send(encode(refusal(_BUSY)))
            else:
                self._spawn(self._serve, "supervision-inspect-client", connection)

    def _make_room(self) -> bool:
        """Whether one more may come; the connection that has asked nothing for longest makes way for it."""
        if len(self._connections) < MAX_CONNECTIONS:
            return True
        idle = next((one for one, busy in self._connections.items() if not busy), None)
        if idle is None:
            return False
        del self._connections[idle]
        _shut(idle, socket.SHUT_RDWR)  # its thread wakes up and closes it
        return True

    def _mark(self, connection: socket.socket, busy: bool) -> bool:
        """Note that an answer begins or has gone out; False when the connection had to make way."""
        with self._lock:
            if self._connections.pop(connection, None) is None:
                return False
            self._connections[connection] = busy
            return True

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as lines:
                while not self._closed:
                    connection.settimeout(IDLE_S)
                    line = lines.readline(MAX_LINE + 1)
                    if not line or not self._mark(connection, busy=True):
                        return
                    whole = len(line) <= MAX_LINE
                    answer = self.answer(line) if whole else refusal(_TOO_LONG)
                    connection.settimeout(SEND_S)
                    connection.sendall(encode(self.outgoing(answer)))
                    if not whole or not self._mark(connection, busy=False):
                        return
        except OSError:
            return  # the client went away, was silent too long, or did not take its answer
        finally:
            with self._lock:
                self._connections.pop(connection, None)
                self._threads.discard(threading.current_thread())


class Client:
    """Asks a Server. One connection per call: nothing to keep alive, nothing to leak."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def call(self, verb: str, timeout: float = 5.0, **args: Any) -> Any:
        """The result of a verb.

        Raises InspectError (refused by the server), ConnectionError (nobody answers on the path),
        TimeoutError (no answer within `timeout` seconds).
        """
        asked = encode({"v": PROTOCOL, "verb": verb, "args": args})
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            try:
                connection.connect(str(self.path))
                connection.sendall(asked)
                with connection.makefile("rb") as lines:
                    line = lines.readline(MAX_LINE + 1)
            except TimeoutError:
                raise TimeoutError(f"no answer to {verb!r} on {self.path} within {timeout:g} s") from None
            except OSError as fault:
                raise ConnectionError(f"nobody answers on {self.path}: {fault}") from fault
        if not line.endswith(b"\n"):
            raise ConnectionError(f"the answer to {verb!r} on {self.path} broke off")
        said = json.loads(line)
        if said.get("ok"):
            return said.get("result")
        error = dict(said.get("error") or {})
        raise InspectError(error.pop("code", "internal"), error.pop("message", "refused"), error)


def _shut(connection: socket.socket, how: int) -> None:
    with contextlib.suppress(OSError):  # closed already, by either side
        connection.shutdown(how)
