"""Which bars teach and which bars judge.

Every plan yields half-open index ranges (`ranges`, what the engine uses) and integer index arrays (`split`,
what people know from scikit-learn). Nothing here sees a price.
"""

from foldward.splits.combinatorial import MAX_SPLITS, CombinatorialPurged
from foldward.splits.fold import Fold, Range, indices
from foldward.splits.simple import CLASSIC_MIN_BARS, classic, holdout
from foldward.splits.walk_forward import MAX_FOLDS, WalkForward

__all__ = [
    "CLASSIC_MIN_BARS",
    "MAX_FOLDS",
    "MAX_SPLITS",
    "CombinatorialPurged",
    "Fold",
    "Range",
    "WalkForward",
    "classic",
    "holdout",
    "indices",
]
