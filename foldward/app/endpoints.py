"""Whether core can bind what it must bind, asked before anything is opened or changed."""

from __future__ import annotations

import zmq

from foldward.contracts.errors import WireError
from foldward.settings import LinkTable


def require_endpoints(link: LinkTable, native: str) -> None:
    """Bind each TCP endpoint for a moment. Raises wire.endpoint_taken with the setting to change.

    ipc endpoints lie in the home's own run directory, which core's lock protects.
    """
    wanted = {"link.native_endpoint": native} if link.mode == "native" else {}
    if link.mode == "pushpull":
        if link.bind_requests:
            wanted["link.request_endpoint"] = link.request_endpoint
        if link.bind_results:
            wanted["link.result_endpoint"] = link.result_endpoint
    context = zmq.Context()
    try:
        for setting, endpoint in wanted.items():
            if endpoint.startswith("tcp://"):
                _try(context, setting, endpoint)
    finally:
        context.term()


def _try(context: zmq.Context[zmq.Socket[bytes]], setting: str, endpoint: str) -> None:
    probe = context.socket(zmq.PULL)
    try:
        probe.bind(endpoint)
    except zmq.ZMQError as error:
        raise WireError(
            "wire.endpoint_taken",
            message=f"{endpoint} cannot be bound: {error.strerror}",
            hint=f"stop the other program, or set {setting}",
        ) from error
    finally:
        probe.close(linger=0)
