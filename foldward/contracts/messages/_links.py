"""What the port thread tells of peers and frames."""

from __future__ import annotations

from foldward.contracts.jobs import Heartbeat
from foldward.contracts.messages._base import Message


class PeerJoined(Message, frozen=True, kw_only=True):
    """A worker or legacy peer can take work: up to `capacity` requests at once."""

    peer: str
    capacity: int
    pid: int | None = None
    version: str = ""
    encoding: str = "json"
    legacy: bool = False  # a pushpull peer: names carry suffixes, answers may lack id and window


class PeerLeft(Message, frozen=True, kw_only=True):
    """The peer's connection is gone, or it was silent too long."""

    peer: str
    reason: str


class PeerResized(Message, frozen=True, kw_only=True):
    """More or fewer services stand behind a legacy link: it takes up to `capacity` requests at once now."""

    peer: str
    capacity: int


class PeerStarted(Message, frozen=True, kw_only=True):
    """The peer reported that it began this request."""

    peer: str
    request_id: str
    at_us: int


class PeerBeat(Message, frozen=True, kw_only=True):
    """A HEARTBEAT of a peer."""

    peer: str
    beat: Heartbeat
    at_us: int


class PeerSilent(Message, frozen=True, kw_only=True):
    """From the Heartbeat to the Dispatcher: a peer that sent HEARTBEATs has sent none for `silent_s`."""

    peer: str
    silent_s: float


class FrameReceived(Message, frozen=True, kw_only=True):
    """A message as it came: more than one frame is itself a fault (multipart)."""

    peer: str
    frames: tuple[bytes, ...]
    received_us: int


class FrameSent(Message, frozen=True, kw_only=True):
    """The socket took the bytes."""

    peer: str
    request_id: str


class FrameRefused(Message, frozen=True, kw_only=True):
    """The socket did not take the bytes."""

    peer: str
    request_id: str
    error: str


class LinkFlooded(Message, frozen=True, kw_only=True):
    """What is no answer comes faster than `per_s` a second: the link is read slowly. junk: so far."""

    link: str
    junk: int
    per_s: float


class WorkerExited(Message, frozen=True, kw_only=True):
    """A worker OS process that core supervises has ended."""

    worker: str
    pid: int
    exit_code: int | None
