"""`python -m foldward.worker`: see `--help`."""

from __future__ import annotations

import sys

from foldward.worker.main import main

if __name__ == "__main__":
    sys.exit(main())
