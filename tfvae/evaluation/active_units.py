"""How many latent variables carry information about x."""

from __future__ import annotations

import numpy as np

__all__ = ["active_units"]


def active_units(means: np.ndarray, threshold: float = 0.01) -> int:
    """Counts the latent variables whose posterior mean varies with x.

    A unit u is active where Var_x(E_q[u|x]) is above the threshold.

    Args:
        means: Posterior means of many examples, `[examples, *event]`.
        threshold: The variance above which a unit counts, in squared units of z.

    Returns:
        The number of active units.

    Example:
        >>> active_units(np.array([[0.0, 1.0], [0.0, -1.0]]))
        1

    References:
        Burda, Grosse, Salakhutdinov, "Importance Weighted Autoencoders", 2016, Section 5.1.
    """
    return int(np.count_nonzero(np.var(np.asarray(means, np.float64), axis=0) > threshold))
