"""What a worker does with candles loads numpy and neither polars nor pyarrow."""

import subprocess
import sys

import pytest

from foldward.data.cache import Cache

pytestmark = pytest.mark.slow


def test_loading_imports_neither_polars_nor_pyarrow(tmp_path):
    lines = [f"{1_704_067_200 + 3600 * i},1,3,1,2,9\n" for i in range(24)]
    lines[3] = lines[3].replace(",2,", ",3,")
    (tmp_path / "TEST_H1.csv").write_text("t,o,h,l,c,v\n" + "".join(lines))
    cache = Cache(tmp_path / "cache")
    entry = cache.ensure(tmp_path / "TEST_H1.csv")
    code = (
        "import sys\n"
        "from foldward.data.cache import Cache\n"
        "cache = Cache(sys.argv[1])\n"
        "entry = cache.find('TEST', 60)[0]\n"
        "assert cache.entry(sys.argv[2]) == entry\n"
        "assert len(cache.load(sys.argv[2])) == 24\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('polars', 'pyarrow', 'pandas')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(cache.root), entry.fingerprint],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_judging_candles_imports_no_polars():
    code = (
        "import sys\n"
        "from foldward.contracts.jobs import Candle\n"
        "from foldward.data.inline import check_candles\n"
        "assert check_candles([Candle(0, 1, 1, 1, 1, 1)], 60).bars is not None\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('polars', 'pyarrow')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[]\n", "")
