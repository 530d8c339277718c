"""What a service's last HTTP answer asked for: its Retry-After, which apprise reads for few services.

apprise sends through `requests` and tells only whether it worked. `listen` makes every answer of this
process's `requests` pass by here once; only the thread that asked keeps what it heard.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from foldward.contracts import clock

MOST_S = 3_600.0  # no service may silence the operator's news for longer
ASKING = (429, 503)
_heard = threading.local()
_lock = threading.Lock()


def listen() -> None:
    """From now on answers are heard; calling it again changes nothing."""
    import requests

    session = requests.Session
    with _lock:
        if getattr(session.send, "heard_by_foldward", False):
            return
        original = session.send

        def send(self: Any, request: Any, **more: Any) -> Any:
            answer = original(self, request, **more)
            if answer.status_code in ASKING:
                wait = retry_after_s(answer.headers)
                _heard.wait_s = max(wait or 0.0, getattr(_heard, "wait_s", 0.0))
            return answer

        send.heard_by_foldward = True  # type: ignore[attr-defined]
        session.send = send  # type: ignore[method-assign]


def forget() -> None:
    """What this thread has heard so far is old."""
    _heard.wait_s = 0.0


def wait_s() -> float | None:
    """The longest wait that a service has asked this thread for since `forget`; None when none did."""
    return getattr(_heard, "wait_s", 0.0) or None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header (RFC 9110 10.2.3: seconds, or a date); None when there is none.

    Discord's fractions are understood too. At most an hour, at least nothing.
    """
    said = headers.get("Retry-After") or headers.get("retry-after")
    if not said:
        return None
    try:
        seconds = float(said)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(said).timestamp() - clock.utc_us() / clock.US
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), MOST_S) if seconds == seconds else None
