"""A pytest plugin (-p mutate) that changes one line of one module as it is imported.

MUTANT holds JSON {"module", "old", "new"}; `old` must occur exactly once, so that a mutant cannot go stale.
"""

from __future__ import annotations

import importlib.machinery
import json
import os
from types import CodeType

_mutant = json.loads(os.environ["MUTANT"])
_load = importlib.machinery.SourceFileLoader.get_code


def _get_code(loader: importlib.machinery.SourceFileLoader, fullname: str) -> CodeType | None:
    if fullname != _mutant["module"]:
        return _load(loader, fullname)
    path = loader.get_filename(fullname)
    source = loader.get_data(path).decode()
    if source.count(_mutant["old"]) != 1:
        raise ImportError(f"stale mutant: {_mutant['old']!r} occurs {source.count(_mutant['old'])} times")
    return compile(source.replace(_mutant["old"], _mutant["new"]), path, "exec")


importlib.machinery.SourceFileLoader.get_code = _get_code  # type: ignore[method-assign]
