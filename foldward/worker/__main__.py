"""`python -m foldward.worker`: see `--help`."""

from __future__ import annotations

from foldward.contracts.leaving import leave
from foldward.worker.main import main

if __name__ == "__main__":
    leave(main())
