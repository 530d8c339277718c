"""`core.cluster`: one more child among the workers, or a clear word when Ray is not there."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

from foldward.app import tree
from foldward.contracts.errors import ConfigError
from foldward.settings import CoreTable, LinkTable, Settings


def parts(**fields):
    settings = Settings(core=CoreTable(**fields), link=LinkTable())
    return SimpleNamespace(
        snapshot=SimpleNamespace(settings=settings),
        endpoint="ipc:///x",
        home=SimpleNamespace(cache=Path("cache"), logs=Path("logs")),
        data_roots=(),
        local_keys=None,
        wiring=SimpleNamespace(worker_exited=lambda *_: None),
    )


def test_the_bridge_stands_beside_the_workers():
    children = [child.id for child in tree._workers(parts(workers=2, cluster="auto")).nest.children]
    assert children == ["worker-1", "worker-2", "cluster-1"]
    alone = [child.id for child in tree._workers(parts(workers=0, cluster="local:2")).nest.children]
    assert alone == ["cluster-1"]


def test_its_command_names_the_cluster_and_leaves_the_capacity_to_it():
    argv = tree.worker_argv(parts(cluster="10.0.0.5:6379"), "cluster-1")
    assert argv[argv.index("--cluster") + 1] == "10.0.0.5:6379"
    assert "--capacity" not in argv
    assert "--cluster" not in tree.worker_argv(parts(cluster="10.0.0.5:6379"), "worker-1")


def test_without_ray_the_setting_is_what_is_wrong(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="Ray is not installed"):
        tree._workers(parts(cluster="auto"))
