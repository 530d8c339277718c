"""`foldward worker --cluster ADDRESS`: connect to core and to the cluster, then bridge them."""

from __future__ import annotations

import argparse
import os
from typing import Any

from foldward.contracts.errors import ConfigError

REQUESTS_A_TASK = 10  # core gives this many ahead for every task that may be out


def run_bridge(options: argparse.Namespace, parent: Any, settings: Any, version: str) -> int:
    """Bridge until stopped; the exit code. Raises ConfigError without Ray or without a cluster."""
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            "config.usage",
            "--cluster needs Ray, which is not installed",
            hint="pip install 'foldward[cluster]'",
        ) from error
    from foldward.backtest import ENGINE_VERSION, register
    from foldward.data.cache import Cache
    from foldward.wire.links import Heart, WorkerPort
    from foldward.worker.cluster.bridge import AHEAD, Bridge, cpus, join, require_same_nodes
    from foldward.worker.cluster.node import Setup, engines
    from foldward.worker.life import live

    kinds = tuple(options.kinds)
    setup = Setup(
        worker=options.id,
        kinds=kinds,
        path=(os.getcwd(),),
        timeout_s=options.timeout_s,
        profile=options.profile,
        max_frame=settings.max_frame,
        engines=engines(register(kinds)),
    )
    join(options.cluster, options.id)
    try:
        require_same_nodes(setup)
        capacity = options.capacity or REQUESTS_A_TASK * AHEAD * max(1, cpus())
        port = WorkerPort(
            options.connect,
            options.id,
            capacity=capacity,
            version=version,
            engine=ENGINE_VERSION,
            settings=settings,
        )
        bridge = Bridge(
            port,
            Cache(options.cache),
            setup,
            id=options.id,
            version=version,
            parent=parent,
            local=options.connect.startswith("ipc://"),
        )

        def heart() -> Heart:
            return Heart(
                options.connect,
                options.id,
                bridge.beat,
                interval_s=options.heartbeat_s,
                check=bridge.check,
                settings=settings,
            )

        return live(bridge, heart)
    finally:
        ray.shutdown()
