"""Whatever a peer sends as an evidence plan: an answer or a refusal, never a crash, never NaN."""

import math

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from foldward.contracts.canonical import canonical_bytes
from foldward.contracts.errors import RequestError
from foldward.stats import evidence
from foldward.stats._evidence import INPUTS

pytestmark = pytest.mark.slow

scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=3)
json = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)
numbers = st.floats(-1e6, 1e6) | st.integers(-100, 100) | st.none()
plausible = st.fixed_dictionaries(
    {},
    optional={
        "returns": st.lists(numbers, max_size=30),
        "sums": st.lists(numbers, min_size=5, max_size=5),
        "periods_per_year": st.sampled_from([1, 252, 365.25]),
        "trade_pnls": st.lists(numbers, max_size=15),
        "cash": st.floats(1, 1e6),
        "trials": st.fixed_dictionaries(
            {"n": st.integers(1, 10**9)}, optional={"sharpe_std": st.floats(0, 1), "effective_n": numbers}
        ),
        "blocks": st.lists(
            st.lists(st.lists(numbers, min_size=3, max_size=3), min_size=2, max_size=4), max_size=4
        ),
        "neighbours": st.lists(numbers, max_size=5),
        "seed": st.integers(0, 2**64 - 1),
    },
)


def check(inputs):
    try:
        sheet = evidence(inputs)
    except RequestError as error:
        refused = error.code
    else:
        refused = None
    if refused is not None:
        event("refused")
        assert refused == "request.bad_param"
        return
    event("answered")
    canonical_bytes(sheet)
    for name, value in sheet.items():
        assert value is not None or name in sheet["reasons"] or name == "effective_trials_from"
        assert not isinstance(value, float) or math.isfinite(value)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(INPUTS), json, max_size=5))
def test_junk_is_answered_or_refused(inputs):
    check(inputs)


@settings(max_examples=150, deadline=None)
@given(plausible)
def test_plausible_plans_are_answered_or_refused(inputs):
    check(inputs)
