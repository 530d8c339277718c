"""One peer's time for one backtest, printed as a line of JSON. Runs under an interpreter that has the peer.

`python _peers.py PEER candles.npz BARS FAST SLOW`: SMA(FAST) against SMA(SLOW), always in the market, with a
stop of 1 %, a target of 2 %, 1 basis point a side. The best of several runs counts, after a first. Nothing of
Foldward is imported here: the peers live in an environment of their own.
"""

import json
import os
import sys
import time
import warnings
from importlib.metadata import version

import numpy as np

warnings.simplefilter("ignore")
CLOCK = time.process_time if os.environ.get("BENCH_CLOCK") == "cpu" else time.perf_counter
FAST, SLOW = (int(word) for word in sys.argv[4:6]) if len(sys.argv) > 5 else (50, 200)
STOP, TARGET, FEE = 0.01, 0.02, 0.0001


def best(function, runs=3):
    """Shortest time in seconds of `function`, and its last answer."""
    answer = function()
    shortest = float("inf")
    for _ in range(runs):
        start = CLOCK()
        answer = function()
        shortest = min(shortest, CLOCK() - start)
    return shortest, answer


def crossings(close):
    """Boolean columns: the fast mean crosses above, below the slow one."""
    sums = np.concatenate(([0.0], np.cumsum(close)))
    gap = np.full(len(close), np.nan)
    slow = (sums[SLOW:] - sums[:-SLOW]) / SLOW
    gap[SLOW - 1 :] = (sums[SLOW:] - sums[SLOW - FAST : len(sums) - FAST])[: len(slow)] / FAST - slow
    before = np.concatenate(([np.nan], gap[:-1]))
    return (before <= 0) & (gap > 0), (before >= 0) & (gap < 0)


def vectorbt(data, engine):
    """Portfolio.from_signals with the signals given: the simulation alone, as its kernel runs it."""
    import pandas as pd
    import vectorbt as vbt

    close = pd.Series(data["close"])
    up, down = crossings(data["close"])
    frame = {name: pd.Series(data[name]) for name in ("open", "high", "low")}

    def run():
        return vbt.Portfolio.from_signals(
            close,
            entries=up,
            short_entries=down,
            price=frame["open"].shift(-1).fillna(close.iloc[-1]),
            sl_stop=STOP,
            tp_stop=TARGET,
            fees=FEE,
            size=1.0,
            init_cash=1e6,
            upon_opposite_entry="reverse",
            engine=engine,
            **frame,
        )

    seconds, portfolio = best(run)
    return seconds, len(portfolio.order_records) // 2, version("vectorbt")


def vectorbt_numba(data):
    return vectorbt(data, "numba")


def vectorbt_rust(data):
    import vectorbt_rust  # noqa: F401 - named here so that its absence is seen

    return vectorbt(data, "rust")


def vectorbt_grid(data, sets=20):
    """Signals and simulation of `sets` parameter sets on the first 100,000 bars, per set."""
    import pandas as pd
    import vectorbt as vbt

    close = pd.Series(data["close"][:100_000])
    frame = {name: pd.Series(data[name][:100_000]) for name in ("open", "high", "low")}
    fast, slow = list(range(5, 5 + sets)), list(range(30, 30 + 2 * sets, 2))

    def run():
        a, b = vbt.MA.run(close, fast, short_name="a"), vbt.MA.run(close, slow, short_name="b")
        up, down = a.ma_crossed_above(b), a.ma_crossed_below(b)
        return vbt.Portfolio.from_signals(
            close,
            entries=up,
            short_entries=down,
            sl_stop=STOP,
            tp_stop=TARGET,
            fees=FEE,
            size=1.0,
            init_cash=1e6,
            upon_opposite_entry="reverse",
            engine="numba",
            **frame,
        )

    seconds, portfolio = best(run, 2)
    return seconds / sets, len(portfolio.order_records) // 2, version("vectorbt")


def backtesting(data):
    """backtesting.py: Strategy.next on each bar, as its users write it."""
    import pandas as pd
    from backtesting import Backtest, Strategy

    index = pd.to_datetime(data["time"], unit="s")
    names = {"Open": "open", "High": "high", "Low": "low", "Close": "close"}
    frame = pd.DataFrame({name: data[column] for name, column in names.items()}, index=index)
    up, down = crossings(data["close"])

    class Cross(Strategy):
        def init(self):
            self.up = self.I(lambda: up.astype(float), plot=False)
            self.down = self.I(lambda: down.astype(float), plot=False)

        def next(self):
            price = self.data.Close[-1]
            if self.up[-1]:
                self.position.close()
                self.buy(size=1, sl=price * (1 - STOP), tp=price * (1 + TARGET))
            elif self.down[-1]:
                self.position.close()
                self.sell(size=1, sl=price * (1 + STOP), tp=price * (1 - TARGET))

    def run():
        # Its statistics are not part of what is compared: they cost as much again.
        test = Backtest(frame, Cross, cash=1e6, commission=FEE, finalize_trades=True)
        return test.run()

    seconds, stats = best(run, 1)
    return seconds, int(stats["# Trades"]), version("backtesting")


def backtrader(data):
    """backtrader, with runonce and without observers."""
    import backtrader as bt
    import pandas as pd

    index = pd.to_datetime(data["time"], unit="s")
    frame = pd.DataFrame({n: data[n] for n in ("open", "high", "low", "close", "volume")}, index=index)

    class Cross(bt.Strategy):
        def __init__(self):
            self.cross = bt.ind.CrossOver(bt.ind.SMA(period=FAST), bt.ind.SMA(period=SLOW))
            self.closed = 0

        def notify_trade(self, trade):
            self.closed += trade.isclosed

        def next(self):
            price = self.data.close[0]
            if self.position:
                gain = (price / self.position.price - 1) * (1 if self.position.size > 0 else -1)
                if gain <= -STOP or gain >= TARGET:
                    self.close()
            if self.cross[0] > 0:
                self.order_target_size(target=1)
            elif self.cross[0] < 0:
                self.order_target_size(target=-1)

    def run():
        brain = bt.Cerebro(stdstats=False)
        brain.adddata(bt.feeds.PandasData(dataname=frame))
        brain.addstrategy(Cross)
        brain.broker.setcash(1e6)
        brain.broker.setcommission(FEE)
        return brain.run()[0]

    seconds, strategy = best(run, 1)
    return seconds, strategy.closed, version("backtrader")


def nautilus_trader(data):
    """nautilus_trader's BacktestEngine on bars: a market order with a bracket at each crossing."""
    import pandas as pd
    from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
    from nautilus_trader.config import LoggingConfig
    from nautilus_trader.indicators import SimpleMovingAverage
    from nautilus_trader.model.currencies import USD
    from nautilus_trader.model.data import BarType
    from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
    from nautilus_trader.model.identifiers import Venue
    from nautilus_trader.model.objects import Money, Quantity
    from nautilus_trader.persistence.wranglers import BarDataWrangler
    from nautilus_trader.test_kit.providers import TestInstrumentProvider
    from nautilus_trader.trading.strategy import Strategy

    venue = Venue("SIM")
    instrument = TestInstrumentProvider.default_fx_ccy("EUR/USD", venue)
    bar_type = BarType.from_str(f"{instrument.id}-1-MINUTE-LAST-EXTERNAL")
    index = pd.to_datetime(data["time"], unit="s", utc=True)
    columns = ("open", "high", "low", "close", "volume")
    frame = pd.DataFrame({name: data[name] for name in columns}, index=index)
    bars = BarDataWrangler(bar_type, instrument).process(frame)
    quantity = Quantity.from_int(1000)

    class Cross(Strategy):
        def on_start(self):
            self.fast, self.slow = SimpleMovingAverage(FAST), SimpleMovingAverage(SLOW)
            self.register_indicator_for_bars(bar_type, self.fast)
            self.register_indicator_for_bars(bar_type, self.slow)
            self.above = None
            self.subscribe_bars(bar_type)

        def on_bar(self, bar):
            if not self.indicators_initialized():
                return
            above = self.fast.value > self.slow.value
            if self.above is not None and above != self.above:
                self.cancel_all_orders(instrument.id)
                self.close_all_positions(instrument.id)
                side = 1 if above else -1
                price = bar.close.as_double()
                orders = self.order_factory.bracket(
                    instrument_id=instrument.id,
                    order_side=OrderSide.BUY if above else OrderSide.SELL,
                    quantity=quantity,
                    sl_trigger_price=instrument.make_price(price * (1 - side * STOP)),
                    tp_price=instrument.make_price(price * (1 + side * TARGET)),
                )
                self.submit_order_list(orders)
            self.above = above

    def run():
        engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
        engine.add_venue(
            venue,
            oms_type=OmsType.NETTING,
            account_type=AccountType.MARGIN,
            base_currency=USD,
            starting_balances=[Money(1_000_000, USD)],
        )
        engine.add_instrument(instrument)
        engine.add_data(bars)
        engine.add_strategy(Cross())
        start = CLOCK()
        engine.run()
        seconds = CLOCK() - start
        closed = engine.cache.positions_total_count() + len(engine.cache.position_snapshots())
        engine.dispose()
        return seconds, closed

    run()
    seconds, trades = run()
    return seconds, trades, version("nautilus_trader")


PEERS = {
    "nautilus_trader": nautilus_trader,
    "vectorbt numba": vectorbt_numba,
    "vectorbt rust": vectorbt_rust,
    "vectorbt grid": vectorbt_grid,
    "backtesting.py": backtesting,
    "backtrader": backtrader,
}

if __name__ == "__main__":
    peer, path, bars = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with np.load(path) as stored:
        candles = {name: stored[name][:bars] for name in stored.files}
    try:
        seconds, trades, release = PEERS[peer](candles)
    except ImportError as error:
        print(json.dumps({"missing": str(error)}))
    else:
        print(json.dumps({"seconds": seconds, "trades": trades, "version": release}))
