"""Whether core can bind what it must bind, asked before anything is opened or changed."""

from __future__ import annotations

import zmq

from foldward.contracts.errors import ConfigError, WireError
from foldward.settings import LinkTable
from foldward.wire.links import needs_curve, plain

OTHERS = ("ipc://", "inproc://")


def require_endpoints(link: LinkTable, native: str) -> None:
    """Bind each TCP endpoint for a moment; raise before anything is opened or changed.

    wire.endpoint_taken (with the setting to change), config.invalid for one without a scheme or a fixed
    port, and wire.curve_required for one beyond this machine without keys, unless link.allow_plain.
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
                if not endpoint.rpartition(":")[2].isdecimal():
                    raise ConfigError(
                        "config.invalid",
                        f"{setting} {endpoint} names no port that a peer could connect to",
                        hint="for example tcp://127.0.0.1:5570",
                    )
                if needs_curve(endpoint):
                    _require_keys(link, setting, endpoint)
                _try(context, setting, endpoint)
            elif endpoint and not endpoint.startswith(OTHERS):
                raise ConfigError(
                    "config.invalid",
                    f"{setting} {endpoint!r} is no endpoint: it begins with neither tcp:// nor ipc://",
                    hint="for example tcp://127.0.0.1:5570",
                )
    finally:
        context.term()


def _require_keys(link: LinkTable, setting: str, endpoint: str) -> None:
    if not link.curve_secret_key.get_secret_value() and not link.allow_plain:
        raise WireError(
            "wire.curve_required",
            message=f"{setting} {endpoint} is reachable from other machines and core has no CURVE keys",
            hint="foldward keys core makes them; link.allow_plain does without where the network is trusted",
        )


def _try(context: zmq.Context[zmq.Socket[bytes]], setting: str, endpoint: str) -> None:
    probe = context.socket(zmq.PULL)
    try:
        probe.bind(endpoint)
    except zmq.ZMQError as error:
        raise WireError(
            "wire.endpoint_taken",
            message=f"{endpoint} cannot be bound: {plain(error)}",
            hint=f"stop the other program, or set {setting}",
        ) from error
    finally:
        probe.close(linger=0)
