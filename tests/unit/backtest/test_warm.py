"""After warm_up, no kernel has a signature left to compile."""

from foldward.backtest import KINDS, _kernels, peer, simulate, walk_forward, warm_up
from foldward.contracts.jobs import Strategy

ROWS = [(100 + i % 7, 108, 92, 100 + (i + 1) % 7) for i in range(150)]


def test_work_after_the_warm_up_compiles_nothing(make_bars):
    warm_up()
    kernels = [f for module in (_kernels, peer) for f in vars(module).values() if hasattr(f, "signatures")]
    before = [len(f.signatures) for f in kernels]
    bars = make_bars(ROWS)
    for name in ("time", "open", "high", "low", "close", "volume", "day_end"):
        getattr(bars, name).flags.writeable = False
    for kind in KINDS.values():
        if kind.builtin:
            simulate(bars, Strategy(name="w", kind=kind.name, sl=1.0))
    walk_forward(bars, Strategy(name="w", kind="sma", tp="2atr"), {"mode": "classic"})
    for kind in sorted(peer.KINDS):
        simulate(bars, Strategy(name="w", kind=kind, profile="peer", sl="2atr", tp="3atr"))
    assert [len(f.signatures) for f in kernels] == before
