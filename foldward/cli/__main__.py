"""`python -m foldward.cli` is `foldward`."""

from foldward.cli import main

main()
