"""What actors tell each other: frozen, small, and never mutated.

An address is anything with `tell(message) -> bool`: a Handle (by name, survives a restart) or an Inbox (a
thread that waits for an answer). Whatever matters is in SQLite before it is told, because a crash may lose
what is told; a message is a hint that makes things quick, the rows are what makes them sure.
"""

from __future__ import annotations

from foldward.contracts.messages._base import Address, Message
from foldward.contracts.messages._common import (
    Ack,
    Drain,
    Emit,
    Figures,
    Look,
    Notify,
    Pause,
    Refresh,
    Resume,
    Tail,
    Tick,
)
from foldward.contracts.messages._dispatch import (
    Admitted,
    AttemptFailed,
    ResultArrived,
    Settled,
    Work,
    WorkReturned,
)
from foldward.contracts.messages._letters import CancelReplay, DropDead, Hold, ReplayDead, ReplayDone
from foldward.contracts.messages._links import (
    FrameReceived,
    FrameRefused,
    FrameSent,
    LinkFlooded,
    PeerBeat,
    PeerJoined,
    PeerLeft,
    PeerResized,
    PeerSilent,
    PeerStarted,
    WorkerExited,
)
from foldward.contracts.messages._orders import (
    Cancel,
    Cancelled,
    Readmit,
    Retried,
    RetryNow,
    Submit,
    SubmitOutcome,
    Submitted,
)
from foldward.contracts.messages._writing import Write, Written

__all__ = [
    "Ack",
    "Address",
    "Admitted",
    "AttemptFailed",
    "Cancel",
    "CancelReplay",
    "Cancelled",
    "Drain",
    "DropDead",
    "Emit",
    "Figures",
    "FrameReceived",
    "FrameRefused",
    "FrameSent",
    "Hold",
    "LinkFlooded",
    "Look",
    "Message",
    "Notify",
    "Pause",
    "PeerBeat",
    "PeerJoined",
    "PeerLeft",
    "PeerResized",
    "PeerSilent",
    "PeerStarted",
    "Readmit",
    "Refresh",
    "ReplayDead",
    "ReplayDone",
    "ResultArrived",
    "Resume",
    "Retried",
    "RetryNow",
    "Settled",
    "Submit",
    "SubmitOutcome",
    "Submitted",
    "Tail",
    "Tick",
    "Work",
    "WorkReturned",
    "WorkerExited",
    "Write",
    "Written",
]
