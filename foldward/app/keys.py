"""Core's key ring: its own pair, the keys of the workers that get in, and a passing pair for its own workers.

    HOME/keys/core.keys          core's pair, mode 0600
    HOME/keys/allowed/NAME.key   a worker's public key, one file a worker
    HOME/run/local.keys          the pair of core's own workers, new at each start, mode 0600

Only the native link on TCP uses the ring: a Unix socket needs no keys, and an existing peer on pushpull has
no CURVE unless `link.curve_*` says so.
"""

from __future__ import annotations

import re
from pathlib import Path

import zmq

from foldward.contracts.errors import ConfigError, RequestError, suggestion
from foldward.files import atomic_write
from foldward.settings import Home, LinkTable
from foldward.settings.keys import Keys, is_key, read_keys, write_keys

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class KeyRing:
    """The keys of one home. Nothing is written until a method that makes something is called."""

    def __init__(self, home: Home) -> None:
        self.folder = home.root / "keys"
        self.core_file = self.folder / "core.keys"
        self._allowed = self.folder / "allowed"
        self._local = home.run_dir / "local.keys"

    def core(self) -> Keys | None:
        """Core's pair; None when there is none. Raises ConfigError for a file that is no key file."""
        return read_keys(self.core_file) if self.core_file.exists() else None

    def make_core(self, *, renew: bool = False) -> tuple[Keys, bool]:
        """Core's pair and whether it was made now. With `renew` a new one: every worker needs it then."""
        have = self.core()
        if have is not None and not renew:
            return have, False
        self._private(self.folder)
        made = new_pair()
        write_keys(self.core_file, made)
        return made, True

    def make_worker(self, name: str, file: Path, server: str = "") -> Keys:
        """A worker's pair in `file`, with core's public key (`server`, by default this home's).

        With this home's key the worker is allowed in at once; with a given one the core is elsewhere and
        must be told the public key. Raises ConfigError for a name or a key that is none, and when `file`
        exists: a key that is overwritten is a worker locked out.
        """
        _check(name)
        if file.exists():
            raise ConfigError("config.usage", f"{file} exists", hint="choose another --out, or remove it")
        if server and not is_key(server):
            raise ConfigError(
                "config.usage", f"{server!r} is not 40 characters of Z85", hint="foldward keys list"
            )
        core = None if server else self.make_core()[0]
        made = new_pair()
        keys = Keys(made.public, made.secret, server or (core.public if core else ""))
        write_keys(file, keys)
        if core is not None:
            self.allow(name, made.public)
        return keys

    def allow(self, name: str, public: str) -> None:
        """Let this public key in under a name. Raises ConfigError for a name or key that is none."""
        _check(name)
        if not is_key(public):
            raise ConfigError(
                "config.usage",
                f"{public!r} is not 40 characters of Z85",
                hint="foldward keys worker prints it",
            )
        self._private(self.folder)
        atomic_write(self._allowed / f"{name}.key", public + "\n")

    def revoke(self, name: str) -> None:
        """Let it in no more (from core's next start on). Raises request.unknown_id."""
        known = self.allowed()
        if name not in known:
            raise RequestError(
                "request.unknown_id",
                f"no key of that name is allowed: {suggestion(name, known)}"
                if known
                else "no key is allowed",
                hint="foldward keys list",
            )
        (self._allowed / f"{name}.key").unlink()

    def allowed(self) -> dict[str, str]:
        """Public key by name. Raises ConfigError for a file that holds none."""
        found = {}
        for file in sorted(self._allowed.glob("*.key")):
            public = file.read_text(encoding="utf-8", errors="replace").strip()
            if not is_key(public):
                raise ConfigError(
                    "config.invalid", f"{file} holds no public key", hint="remove it, or foldward keys allow"
                )
            found[file.stem] = public
        return found

    def make_local(self, server: str) -> tuple[Path, Keys]:
        """A new pair for core's own workers of this start, and its file."""
        made = new_pair()
        write_keys(self._local, Keys(made.public, made.secret, server))
        return self._local, made

    @staticmethod
    def _private(folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def new_pair() -> Keys:
    """A fresh pair, from the operating system's entropy."""
    public, secret = zmq.curve_keypair()
    return Keys(public.decode(), secret.decode())


def link_of(link: LinkTable, endpoint: str, ring: KeyRing) -> tuple[LinkTable, Path | None]:
    """The link's settings with the ring's keys in them, and the key file of core's own workers.

    Keys in the settings come first. On `ipc` there are none: the socket's folder is private. Without an
    allow-list in the settings and without keys of its own nothing changes.
    """
    if link.mode != "native" or not endpoint.startswith("tcp://"):
        if link.mode == "native":
            return link.model_copy(update={"curve_secret_key": type(link.curve_secret_key)("")}), None
        return link, None
    secret, public, clients = (
        link.curve_secret_key.get_secret_value(),
        link.curve_public_key,
        {*link.curve_clients},
    )
    if not secret:
        core = ring.core()
        if core is None:
            return link, None
        secret, public = core.secret, core.public
        clients |= {*ring.allowed().values()}
        strict = True
    else:
        clients |= {*ring.allowed().values()}
        strict = bool(clients)
        public = public or _public_of(secret)
    local, pair = ring.make_local(public)
    if strict:
        clients.add(pair.public)
    update = {
        "curve_secret_key": type(link.curve_secret_key)(secret),
        "curve_public_key": public,
        "curve_clients": tuple(sorted(clients)),
    }
    return link.model_copy(update=update), local


def _public_of(secret: str) -> str:
    try:
        return zmq.curve_public(secret.encode()).decode()
    except (ValueError, zmq.ZMQError) as error:
        raise ConfigError(
            "config.invalid",
            "link.curve_secret_key is not 40 characters of Z85",
            hint="foldward keys core makes a pair",
        ) from error


def near(endpoint: str) -> str:
    """The endpoint as core's own workers reach it: an address that means "all of them" becomes loopback."""
    head, _, port = endpoint.rpartition(":")
    host = {"tcp://*": "tcp://127.0.0.1", "tcp://0.0.0.0": "tcp://127.0.0.1", "tcp://[::]": "tcp://[::1]"}
    return f"{host.get(head, head)}:{port}"


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            "config.usage",
            f"{name[:80]!r} cannot be a key's name",
            hint="letters, digits, dot, dash and underscore, at most 64",
        )
