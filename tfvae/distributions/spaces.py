"""Where the values of z lie: posterior and prior have to be densities on the same space."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.batch_axes import Unfolded
from tfvae.distributions.coercible import concrete
from tfvae.distributions.expected import Expected
from tfvae.distributions.poincare import WrappedNormalOnBall
from tfvae.distributions.product import Product
from tfvae.distributions.supports import support_of
from tfvae.errors import UserError

tfb = tfp.bijectors
tfd = tfp.distributions

__all__ = ["Space", "check_same_space", "space_of"]


class Space(NamedTuple):
    """The set on which a distribution is a density.

    Attributes:
        name: How a message calls it.
        prior: A prior on it, as Python; `{shape}` stands for the event's shape, `{size}` for its
            last number and `{pieces}` for those before.
        low: The lower end of an interval; None: there is none, or it is not known.
        high: The upper end.
    """

    name: str
    prior: str
    low: float | None = None
    high: float | None = None

    def is_that_of(self, other: Space) -> bool:
        """Says whether both are the same set, as far as is known."""
        ends = [(self.low, other.low), (self.high, other.high)]
        known = [pair for pair in ends if None not in pair]
        return self.name == other.name and all(np.isclose(a, b, atol=1e-4) for a, b in known)

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return self.name
        return f"the numbers from {self.low:g} to {self.high:g}"


REAL = Space("all real numbers", "tfvae.priors.StandardNormal()")
POSITIVE = Space("the numbers above 0", "tfd.Sample(tfd.Exponential(1.0), {shape})")
SPHERE = Space("the unit sphere", "tfvae.priors.SphericalUniform()")
SIMPLEX = Space("the simplex", "tfd.Sample(tfd.Dirichlet(tf.ones({size})), {pieces})")
ONE_HOT = Space(
    "one-hot vectors",
    "tfd.Sample(tfd.OneHotCategorical(tf.zeros({size}), dtype=tf.float32), {pieces})",
)
DISCRETE = Space(
    "discrete values", "tfd.Sample(tfd.Bernoulli(0.5, dtype=tf.float32), {shape}) for 0 and 1"
)

# Bijectors from all real numbers onto all real numbers, and onto parts of them.
_ONTO_ALL = (
    *(tfb.Identity, tfb.Shift, tfb.Scale, tfb.ScaleMatvecDiag, tfb.ScaleMatvecTriL),
    *(tfb.ScaleMatvecLU, tfb.ScaleMatvecLinearOperator, tfb.Permute, tfb.Reshape, tfb.Transpose),
    *(tfb.RealNVP, tfb.MaskedAutoregressiveFlow, tfb.RationalQuadraticSpline),
    *(tfb.SinhArcsinh, tfb.Sinh, tfb.Cumsum),
)
_IN_PLACE = (tfb.Identity, tfb.Permute, tfb.Reshape, tfb.Transpose)  # keep every set of values
_OF_CLASS = {
    tfd.VonMisesFisher: SPHERE,
    tfd.PowerSpherical: SPHERE,
    tfd.SphericalUniform: SPHERE,
    tfd.Dirichlet: SIMPLEX,
    tfd.RelaxedOneHotCategorical: SIMPLEX,
}
_LOOKED_THROUGH = (
    *(tfd.Independent, tfd.BatchReshape, tfd.BatchBroadcast, tfd.Sample),
    *(Unfolded, Expected),
)


def _interval(low: object, high: object) -> Space:
    """The space between two ends; those that differ along the batch are not known."""

    def end(value: object) -> float | None:
        value = tf.get_static_value(value) if tf.is_tensor(value) else value
        found = np.unique(value) if value is not None else ()
        return float(found[0]) if len(found) == 1 else None

    low, high = end(low), end(high)
    uniform = f"tfd.Uniform({low}, {high})" if None not in (low, high) else "tfd.Uniform(...)"
    return Space("an interval", f"tfd.Sample({uniform}, {{shape}})", low, high)


def _ball(radius: float) -> Space:
    """The Poincaré ball of a radius."""
    prior = f"tfvae.priors.WrappedNormal(curvature={radius**-2:.6g})"
    return Space(f"the Poincaré ball of radius {radius:.5g}", prior)


def _image(bijector: tfb.Bijector, space: Space | None) -> Space | None:
    """Where a bijector takes a space to, or None where that is not known."""
    # tfp makes a chain, or an inverse, of one of two classes without a base of their own.
    if type(bijector).__name__.lstrip("_") == "Chain":
        for step in reversed(bijector.bijectors):
            space = _image(step, space)
        return space
    if isinstance(bijector, _IN_PLACE):
        return space
    if space is not REAL:
        return None
    one = getattr(bijector, "bijector", bijector)  # of an inverse, that which is inverted
    if isinstance(one, _ONTO_ALL) or getattr(one, "onto_all", False):
        return REAL
    if isinstance(bijector, tfb.Sigmoid):
        ends = bijector.low, bijector.high
        return _interval(*(0.0, 1.0) if None in ends else ends)
    if isinstance(bijector, tfb.Tanh):
        return _interval(-1.0, 1.0)
    if isinstance(bijector, tfb.NormalCDF):
        return _interval(0.0, 1.0)
    if isinstance(bijector, tfb.Exp):
        return POSITIVE
    if isinstance(bijector, tfb.Softplus):
        return POSITIVE if bijector.low is None else None
    return SIMPLEX if isinstance(bijector, tfb.SoftmaxCentered) else None


def _of_product(distribution: Product) -> Space | None:
    """The space of several parts: that of all of them, or the parts' one behind the other."""
    spaces = [space_of(part) for part in distribution.parts]
    if None in spaces:
        return None
    if all(space is REAL for space in spaces):
        return REAL
    sizes = [part.event_shape.num_elements() for part in distribution.parts]
    name = " and ".join(f"{s} in {n} numbers" for s, n in zip(spaces, sizes, strict=True))
    return Space(name, "tfvae.priors.ProductPrior([...]) of a prior for each part")


def space_of(distribution: tfd.Distribution) -> Space | None:
    """The space on which a distribution is a density.

    Args:
        distribution: Posterior or prior. Wrappers, mixtures and transformed distributions are
            looked through.

    Returns:
        The space; None where it is not known, as of a class of one's own without
        `_default_event_space_bijector`, or of a point. A bijector of one's own that maps all real
        numbers onto all real numbers says so by an attribute `onto_all = True`.

    Example:
        >>> str(space_of(tfd.Beta(1.0, 2.0)))
        'the numbers from 0 to 1'
    """
    distribution = concrete(distribution)
    if isinstance(distribution, _LOOKED_THROUGH):
        return space_of(distribution.distribution)
    if isinstance(distribution, tfd.MixtureSameFamily):
        return space_of(distribution.components_distribution)
    if isinstance(distribution, WrappedNormalOnBall):
        return _ball(distribution.radius)
    if isinstance(distribution, Product):
        return _of_product(distribution)
    for known, space in _OF_CLASS.items():
        if isinstance(distribution, known):
            return space
    support = support_of(distribution)
    if support.symbol_axes:
        return ONE_HOT
    if support.integer or getattr(distribution.dtype, "is_integer", False):
        return DISCRETE
    try:
        bijector = distribution.experimental_default_event_space_bijector()
    except (NotImplementedError, TypeError, ValueError):
        bijector = None  # tfp has none, or it fails: its Pad does with NumPy from 2.4 on
    space = None if bijector is None else _image(bijector, REAL)
    if space is None and isinstance(distribution, tfd.TransformedDistribution):
        space = _image(distribution.bijector, space_of(distribution.distribution))
    return space


def check_same_space(posterior: tfd.Distribution, prior: tfd.Distribution) -> None:
    """Refuses a posterior and a prior of different supports.

    KL(q ‖ p) compares two densities on one set. A density on the simplex or on the sphere, or the
    probability of a one-hot vector, has none from a density on the space around it: a number
    comes out, and means nothing. From inside an interval it has one, but what the prior draws
    outside the decoder has never seen.

    Args:
        posterior: q(z|x).
        prior: p(z).

    Raises:
        UserError: If both supports are known and differ.
    """
    own, other = space_of(posterior), space_of(prior)
    if None in (own, other) or own.is_that_of(other):
        return
    shape = list(posterior.event_shape)
    size = shape[-1] if shape else 1
    remedy = own.prior.format(shape=shape, pieces=shape[:-1], size=size)
    raise UserError(
        f"the posterior ({concrete(posterior).name}) is on {own}, and the prior "
        f"({concrete(prior).name}) on {other}: the ELBO of the two means nothing. Give both the "
        f"same support, such as prior={remedy}"
    )
