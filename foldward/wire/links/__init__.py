"""The links: how bytes reach workers and peers, and how their absence is noticed. No business here.

Each link is one port thread that owns its sockets. It tells its sink PeerJoined, PeerLeft, PeerStarted,
PeerBeat, FrameReceived, FrameSent and FrameRefused, and decides nothing.
"""

from foldward.wire.links._endpoints import native_endpoint, needs_curve, plain
from foldward.wire.links._port import Link, Sink
from foldward.wire.links.make import make_link
from foldward.wire.links.native import NativeLink
from foldward.wire.links.pushpull import PushPullLink
from foldward.wire.links.service import ServiceHeart, ServicePort
from foldward.wire.links.worker import Heart, Pulse, WorkerPort

__all__ = [
    "Heart",
    "Link",
    "NativeLink",
    "Pulse",
    "PushPullLink",
    "ServiceHeart",
    "ServicePort",
    "Sink",
    "WorkerPort",
    "make_link",
    "native_endpoint",
    "needs_curve",
    "plain",
]
