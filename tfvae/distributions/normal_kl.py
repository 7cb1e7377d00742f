"""KL divergences between the two ways in which tfp writes a normal of independent elements.

tfp registers KL(Independent ‖ Independent) and KL(MultivariateNormal ‖ MultivariateNormal), not the
mixed pairs, though `Independent(Normal)` over one axis is a multivariate normal. Importing this
module registers them.
"""

from __future__ import annotations

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

__all__ = ["as_multivariate"]


def as_multivariate(distribution: tfd.Independent) -> tfd.MultivariateNormalDiag:
    """Writes independent normals over one axis as a multivariate normal.

    Args:
        distribution: `Independent(Normal)` of event rank 1.

    Returns:
        The same distribution as a `tfd.MultivariateNormalDiag`.

    Raises:
        NotImplementedError: If it is something else.
    """
    inner = distribution.distribution
    if not (isinstance(inner, tfd.Normal) and distribution.event_shape.rank == 1):
        raise NotImplementedError(f"{distribution.name} is no multivariate normal")
    return tfd.MultivariateNormalDiag(inner.loc, tf.ones_like(inner.loc) * inner.scale)


@tfd.RegisterKL(tfd.Independent, tfd.MultivariateNormalLinearOperator)
def _independent_joint(a, b, name=None):
    return tfd.kl_divergence(as_multivariate(a), b, name=name)


@tfd.RegisterKL(tfd.MultivariateNormalLinearOperator, tfd.Independent)
def _joint_independent(a, b, name=None):
    return tfd.kl_divergence(a, as_multivariate(b), name=name)
