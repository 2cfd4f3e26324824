"""What a hypervolume curve might as well have been: with other noise in the accuracies, in another order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nasearch.errors import SelectionError
from nasearch.pareto.hypervolume import hypervolume
from nasearch.pareto.objectives import Floats, finite_values

Ints = NDArray[np.int64]


def noisy_shares(shares: ArrayLike, images: int, draws: int, random: np.random.Generator) -> Floats:
    """Accuracies as other images would have shown them: binomial draws around what was seen.

    Args:
        shares: (networks,), of images classified right, in [0, 1].
        images: that each was read on.
        draws: how often.
        random: where chance comes from.

    Returns:
        (draws, networks) shares.
    """
    seen = np.asarray(shares, dtype=float)
    return random.binomial(images, seen, size=(draws, len(seen))) / images


def curve_draws(
    losses: ArrayLike,
    noisy: Floats,
    column: int,
    counts: Sequence[int],
    reference: Sequence[float],
    orders: Ints | None = None,
) -> Floats:
    """Hypervolumes of beginnings of a search, each draw corrected for what its noise added.

    The best of noisy values flatters: noise adds to a hypervolume. Noise that is drawn around what was seen
    adds about as much again, so its effect is taken off instead of put on: a draw is 2 H(seen) - H(noisy),
    both in the draw's order. Percentiles of such draws are the basic bootstrap interval.

    Args:
        losses: (candidates, objectives), in the order of the search; rows of NaN were spent for nothing.
        noisy: (draws, candidates), what stands in the place of `column`; ignored in rows of NaN.
        column: of the losses that is noisy.
        counts: how many candidates each beginning has.
        reference: (objectives,), the worst that still counts.
        orders: (draws, candidates), the candidates' order in each draw; that of the search if not given.

    Returns:
        (draws, counts) volumes, as shares of the box between the origin and the reference.

    Raises:
        SelectionError: if a loss is infinite or NaN beside numbers, or a count is beyond the candidates.

    Source: Davison and Hinkley 1997, Bootstrap Methods and their Application, sections 2.2 and 5.2.
    """
    table = np.array(losses, dtype=float).reshape(-1, len(reference))
    counted = ~np.isnan(table).all(axis=1)
    finite_values(table[counted])
    if max(counts, default=0) > len(table):
        raise SelectionError(f"counts ends at {max(counts)}; expected at most {len(table)} candidates")
    box = float(np.prod(reference))
    in_order = np.arange(len(table))

    def volumes(rows: Floats, order: Ints) -> Floats:
        chosen = [order[:count][counted[order[:count]]] for count in counts]
        return np.array([hypervolume(rows[each], reference) / box for each in chosen])

    seen = volumes(table, in_order)
    result = np.empty((len(noisy), len(counts)))
    for i, errors in enumerate(noisy):
        order = in_order if orders is None else orders[i]
        rows = table.copy()
        rows[:, column] = errors
        plain = seen if orders is None else volumes(table, order)
        result[i] = 2 * plain - volumes(rows, order)
    return result
