"""All evidence against luck for one strategy, from what travels in a job."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from foldward.contracts.errors import suggestion
from foldward.stats._number import (
    BadArgument,
    Undefined,
    as_floats,
    explain,
    finite_arguments,
    number,
    positive,
    whole,
)
from foldward.stats._trial_blocks import TrialBlocks
from foldward.stats.bootstrap import MAX_SEED, default_block, interval
from foldward.stats.deflated import (
    deflated_sharpe_ratio,
    effective_trials,
    expected_max_sharpe,
)
from foldward.stats.moments import Moments, Sums, moments, moments_of
from foldward.stats.neighbourhood import neighbourhood_stability
from foldward.stats.overfit import cscv, merge_blocks
from foldward.stats.ruin import probability_of_ruin
from foldward.stats.sharpe import min_track_record_length, probabilistic_sharpe_ratio
from foldward.stats.trades import expectancy, profit_factor

FORM = {
    "psr": "Bailey & Lopez de Prado 2012, n - 1, Pearson kurtosis",
    "dsr": "Bailey & Lopez de Prado 2014, PSR against the expected best of effective_trials, on their bars",
    "dsr_all_trials": "the same against the expected maximum of n_trials: never above dsr",
    "effective_trials": "Bailey & Lopez de Prado 2014 A.3: rho + (1 - rho) N",
    "pbo": "Bailey, Borwein, Lopez de Prado & Zhu 2015, CSCV",
    "bootstrap": "Politis & Romano 1994, percentile interval of the annualised Sharpe ratio",
    "ruin": "trades drawn with replacement",
}
INPUTS = (
    "returns",
    "sums",
    "periods_per_year",
    "trade_pnls",
    "cash",
    "ruin_loss",
    "trials",
    "selection",
    "blocks",
    "neighbours",
    "seed",
)
_TRIALS = ("n", "effective_n", "sharpe_std", "window")
_RUIN_TRADES = 5_000  # a longer path costs time and only repeats itself
_BOOTSTRAP_MOST = 200_000  # returns; daily ones never come near
_BOOTSTRAP_DRAWS = 20_000_000  # about two seconds
_PBO_TRIALS = 2_000  # 12,870 splits of more would hold a worker for seconds
CONFIDENCE = 0.95


class _Sheet:
    """The answer under construction: numbers, and a reason for each that is missing."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.reasons: dict[str, str] = {}

    def put(self, name: str, face: Callable[..., float | None], *args: Any, **kwargs: Any) -> float | None:
        value, why = explain(face, *args, **kwargs)
        return self.set(name, value, why)

    def set(self, name: str, value: float | None, why: str | None = None) -> float | None:
        if value is not None:
            value = int(value) if isinstance(value, int | np.integer) else float(value)
            if not math.isfinite(value):
                value, why = None, "the value is not finite"
        self.values[name] = value
        if value is None:
            self.reasons[name] = why or "not known"
        return value

    def get(self, name: str) -> Any:
        return self.values[name]


def evidence(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Every statistic of `docs/explanation/statistics.md` that `inputs` allow; equal input, equal answer.

    inputs (all optional, JSON types):
      returns: one per period, flat periods included; or sums: [n, Σr, Σr², Σr³, Σr⁴] (or those as n, s1…s4)
      periods_per_year: for the annual figures
      trade_pnls: results of single trades in money; cash: starting cash (10,000); ruin_loss: share (0.5)
      trials: {n, effective_n?, sharpe_std?, window?}: how many were ever tried on these data, the number of
        independent ones they are worth, the standard deviation of their Sharpe ratios per period, and the
        bars that those were measured on (for the reader: first and last Unix second)
      selection: returns (or sums) on those bars, which the deflated Sharpe ratio judges; without them it
        judges `returns`
      blocks: per trial a list of [n, Σr, Σr²], all trials cut at the same bars
      neighbours: Sharpe ratios per period of the neighbouring parameter sets
      seed: for bootstrap and ruin (0)

    Returns a flat dict: every number or None; `reasons` says for each None why; `form` names the formulas.
    Sharpe ratios called *_per_period and the trials' are per period, `sharpe` and the interval are annual.
    Raises RequestError `request.bad_param` for unknown names and for values that no data could justify.
    """
    _known(inputs, INPUTS, "evidence")
    seed = whole(inputs.get("seed", 0), "seed", 0, MAX_SEED)
    sheet = _Sheet()
    m = _sharpe(sheet, inputs)
    blocks = TrialBlocks(inputs.get("blocks"))
    _trials(sheet, inputs.get("trials"), blocks)
    _deflated(sheet, _selected(sheet, inputs, m))
    _overfit(sheet, blocks)
    _bootstrap(sheet, inputs, seed)
    _trades(sheet, inputs, seed)
    _neighbours(sheet, inputs.get("neighbours"), m)
    return {
        **sheet.values,
        "confidence": CONFIDENCE,
        "seed": seed,
        "form": dict(FORM),
        "reasons": sheet.reasons,
    }


def _sharpe(sheet: _Sheet, inputs: Mapping[str, Any]) -> Moments | None:
    m, why = None, None
    try:
        with np.errstate(all="ignore"):
            m = _moments(inputs)
    except Undefined as reason:
        why = str(reason)
    year = inputs.get("periods_per_year")
    if year is not None:
        year = positive(year, "periods_per_year")
    sheet.set("observations", None if m is None else m.n, why)
    sheet.set("sharpe_per_period", None if m is None else m.sharpe(), why)
    annual = None if m is None or year is None else m.sharpe() * math.sqrt(year)
    sheet.set("sharpe", annual, why or "periods_per_year is not given")
    sheet.set("skew", None if m is None else m.skew, why)
    sheet.set("kurtosis", None if m is None else m.kurtosis, why)
    if m is None:
        for name in ("psr", "min_track_record_length", "min_track_record_years"):
            sheet.set(name, None, why)
        return None
    sheet.put("psr", probabilistic_sharpe_ratio, m.sharpe(), 0.0, m.n, m.skew, m.kurtosis)
    length = sheet.put(
        "min_track_record_length", min_track_record_length, m.sharpe(), 0.0, m.skew, m.kurtosis, CONFIDENCE
    )
    years = None if length is None or year is None else length / year
    sheet.set(
        "min_track_record_years",
        years,
        sheet.reasons.get("min_track_record_length", "periods_per_year is not given"),
    )
    return m


def _moments(inputs: Mapping[str, Any]) -> Moments:
    if inputs.get("returns") is not None:
        return moments_of(inputs["returns"])
    sums = inputs.get("sums")
    if sums is None:
        raise Undefined("neither returns nor sums are given")
    return _of_sums(sums)


def _of_sums(sums: Any) -> Moments:
    if isinstance(sums, Mapping):
        _known(sums, Sums._fields, "sums")
        sums = [sums.get(name) for name in Sums._fields]
    if not isinstance(sums, list | tuple) or len(sums) != len(Sums._fields):
        raise BadArgument(f"sums is {sums!r}; it is five numbers, [n, s1, s2, s3, s4]", field="sums")
    return moments(Sums(*sums))


def _trials(sheet: _Sheet, trials: Mapping[str, Any] | None, blocks: TrialBlocks) -> None:
    """How many trials there were, how many they are worth, and how far their Sharpe ratios lie apart."""
    sheet.values["effective_trials_from"] = None
    if trials is None:
        for name in ("n_trials", "trial_correlation", "effective_trials", "trials_sharpe_std"):
            sheet.set(name, None, "the number of trials is not given")
        return
    _known(trials, _TRIALS, "trials")
    count = whole(trials.get("n"), "trials.n", 1)
    sheet.set("n_trials", count)
    correlation = sheet.set("trial_correlation", *blocks.correlation())
    given = trials.get("effective_n")
    if given is not None:
        if not 1 <= positive(given, "trials.effective_n") <= count:
            raise BadArgument(
                f"trials.effective_n is {given}; it lies from 1 to the {count} trials made", limit=count
            )
        source, effective = "given", float(given)
    elif correlation is not None and count > 1:
        source, effective = "correlation", effective_trials(count, correlation) or float(count)
    else:
        source, effective = "count", float(count)
    sheet.values["effective_trials_from"] = source
    sheet.set("effective_trials", effective)
    if trials.get("sharpe_std") is not None:
        sheet.put("trials_sharpe_std", _given, trials["sharpe_std"])
    elif count == 1:
        sheet.set("trials_sharpe_std", 0.0)
    else:
        sheet.set("trials_sharpe_std", *blocks.sharpe_std())


def _selected(sheet: _Sheet, inputs: Mapping[str, Any], whole_m: Moments | None) -> Moments | None:
    """What the deflated ratio judges: the returns on the bars on which the trials were compared.

    Deflation asks whether the best of many in-sample ratios is more than luck, so its ratio, its length and
    its shape must be the in-sample ones as well; those of the whole series are another question (PSR).
    """
    given = inputs.get("selection")
    m, why = whole_m, sheet.reasons.get("psr")
    if given is not None:
        m = None
        try:
            with np.errstate(all="ignore"):
                five = isinstance(given, Mapping)
                m = _of_sums(given) if five else moments_of(given)
        except Undefined as reason:
            why = f"on the trials' bars: {reason}"
    sheet.values["dsr_on"] = "returns" if given is None else "selection"
    sheet.set("dsr_observations", None if m is None else m.n, why)
    sheet.set("dsr_sharpe_per_period", None if m is None else m.sharpe(), why)
    return m


def _deflated(sheet: _Sheet, m: Moments | None) -> None:
    spread = sheet.get("trials_sharpe_std")
    if spread is None:
        for name in ("expected_max_sharpe", "dsr", "dsr_all_trials"):
            sheet.set(name, None, sheet.reasons["trials_sharpe_std"])
        return
    effective, count = sheet.get("effective_trials"), sheet.get("n_trials")
    sheet.put("expected_max_sharpe", expected_max_sharpe, effective, spread)
    for name, trials in (("dsr", effective), ("dsr_all_trials", count)):
        if m is None:
            sheet.set(name, None, sheet.reasons["dsr_observations"])
        else:
            sheet.put(name, deflated_sharpe_ratio, m.sharpe(), trials, spread, m.n, m.skew, m.kurtosis)


def _overfit(sheet: _Sheet, blocks: TrialBlocks) -> None:
    names = ("pbo", "pbo_loss", "pbo_splits", "pbo_trials")
    try:
        with np.errstate(all="ignore"):
            n, s1, s2 = blocks.columns()
            answer = cscv(*merge_blocks(n, s1[:, :_PBO_TRIALS], s2[:, :_PBO_TRIALS]))
    except Undefined as why:
        for name in names:
            sheet.set(name, None, str(why))
        return
    values = (answer.pbo, answer.loss, len(answer.logits), min(s1.shape[1], _PBO_TRIALS))
    for name, value in zip(names, values, strict=True):
        sheet.set(name, value)


def _bootstrap(sheet: _Sheet, inputs: Mapping[str, Any], seed: int) -> None:
    low = high = why = block = resamples = None
    returns, year = inputs.get("returns"), inputs.get("periods_per_year")
    try:
        if returns is None:
            raise Undefined("returns are not given; sums cannot be resampled")
        if year is None:
            raise Undefined("periods_per_year is not given")
        count = np.size(as_floats(returns, "returns"))
        if count > _BOOTSTRAP_MOST:
            raise Undefined(f"{count:,} returns are too many to resample; the limit is {_BOOTSTRAP_MOST:,}")
        resamples = min(1000, max(100, _BOOTSTRAP_DRAWS // max(1, count)))
        with np.errstate(all="ignore"):
            low, high = interval(returns, year, confidence=CONFIDENCE, resamples=resamples, seed=seed)
        block = default_block(count)
    except Undefined as reason:
        why = str(reason)
    sheet.set("sharpe_low", low, why)
    sheet.set("sharpe_high", high, why)
    sheet.set("bootstrap_block", block, why)
    sheet.set("bootstrap_resamples", None if low is None else resamples, why)


def _trades(sheet: _Sheet, inputs: Mapping[str, Any], seed: int) -> None:
    pnl = inputs.get("trade_pnls")
    if pnl is None:
        for name in ("trades", "expectancy", "profit_factor", "ruin_probability"):
            sheet.set(name, None, "trades are not given")
        return
    count = np.size(as_floats(pnl, "trade_pnls"))
    sheet.set("trades", count)
    sheet.put("expectancy", expectancy, pnl)
    sheet.put("profit_factor", profit_factor, pnl)
    sheet.put(
        "ruin_probability",
        probability_of_ruin,
        pnl,
        inputs.get("cash", 10_000.0),
        loss=inputs.get("ruin_loss", 0.5),
        trades=max(1, min(count, _RUIN_TRADES)),
        seed=seed,
    )


def _neighbours(sheet: _Sheet, neighbours: Any, m: Moments | None) -> None:
    if neighbours is None:
        sheet.set("neighbourhood_stability", None, "neighbours are not given")
    elif m is None:
        sheet.set("neighbourhood_stability", None, sheet.reasons["psr"])
    else:
        sheet.put("neighbourhood_stability", neighbourhood_stability, m.sharpe(), neighbours)


@number
def _given(sharpe_std: float) -> float:
    finite_arguments(sharpe_std=sharpe_std)
    return sharpe_std


def _known(given: Mapping[str, Any], names: tuple[str, ...], what: str) -> None:
    if not isinstance(given, Mapping):
        raise BadArgument(f"{what} is {given!r}; it is a table of names and values", field=what)
    for name in given:
        if name not in names:
            raise BadArgument(f"{what} has no input {name!r}; {suggestion(str(name), names)}", field=name)
