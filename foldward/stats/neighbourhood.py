"""Is a strategy's parameter set a plateau or a lone peak?

R. Pardo (2008), ch. 10, "the optimisation profile": neighbours of a robust set do nearly as well.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from foldward.stats._number import BadArgument, Series, Undefined, as_floats, finite_arguments, number, whole


@number
def neighbourhood_stability(centre: float, neighbours: Series) -> float:
    """The median of the neighbours' values over the centre's, held within [0, 1].

    1: a plateau; 0: a lone peak. Neighbours without a value (None, NaN) count as 0: a neighbour that cannot
    trade is no support. None where the centre is not positive or has no neighbours.
    """
    finite_arguments(centre=centre)
    if centre <= 0:
        raise Undefined("the centre's value is not positive")
    values = as_floats(neighbours, "neighbours").ravel()
    if not len(values):
        raise Undefined("there are no neighbours")
    middle = float(np.median(np.where(np.isfinite(values), values, 0.0)))
    return min(1.0, max(0.0, middle / centre))


@number
def surface_stability(surface: Any, at: Sequence[int] | None = None, radius: int = 1) -> float:
    """`neighbourhood_stability` of one cell of a grid of values, one axis per parameter.

    at: the cell, by default the highest. Neighbours are all cells within `radius` steps on every axis;
    beyond the edge there are none. Raises RequestError `request.bad_param` for a cell outside the grid.
    """
    grid = as_floats(surface, "surface")
    whole(radius, "radius", 1)
    if grid.size == 0 or not np.isfinite(grid).any():
        raise Undefined("no cell of the surface has a value")
    if at is None:
        cell = tuple(int(i) for i in np.unravel_index(int(np.nanargmax(grid)), grid.shape))
    else:
        cell = tuple(at)
        if len(cell) != grid.ndim or any(not 0 <= i < size for i, size in zip(cell, grid.shape, strict=True)):
            raise BadArgument(f"cell {cell} is not in a surface of shape {grid.shape}", field="at")
    window = tuple(slice(max(0, i - radius), i + radius + 1) for i in cell)
    mask = np.ones(grid.shape, dtype=bool)
    mask[cell] = False
    inner = inspect.unwrap(neighbourhood_stability)
    return float(inner(float(grid[cell]), grid[window][mask[window]]))
