"""One posterior of those of several modalities: products and mixtures of normal experts."""

from __future__ import annotations

import itertools

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

__all__ = ["ExpertMixture", "mixture_of_experts", "mixture_of_products", "product_of_experts"]

NEVER = -1e9  # the logit of an expert that has seen nothing


def product_of_experts(loc: tf.Tensor, scale: tf.Tensor, present: tf.Tensor) -> tfd.Distribution:
    """The product of normal experts and the standard normal, q(z) ∝ N(z; 0, 1) Π_m N(z; μ_m, σ_m²).

    It is normal, and exact: Λ = 1 + Σ_m σ_m⁻² and μ = Λ⁻¹ Σ_m σ_m⁻² μ_m over the experts that are
    present; the standard normal where none is.

    Args:
        loc: μ, `[M, batch, D]`.
        scale: σ, `[M, batch, D]`.
        present: Whether each expert has seen anything, boolean `[M, batch]`.

    Returns:
        Batch shape `[batch]`, event shape `[D]`.

    Example:
        >>> two = product_of_experts(tf.ones([2, 1, 1]), tf.ones([2, 1, 1]), tf.fill([2, 1], True))
        >>> round(float(two.mean()[0, 0]), 4)
        0.6667

    References:
        Wu and Goodman, "Multimodal Generative Models for Scalable Weakly-Supervised Learning",
        2018, Eq. 4-5.
    """
    precision = tf.cast(present, loc.dtype)[..., tf.newaxis] / tf.square(scale)
    total = 1.0 + tf.reduce_sum(precision, axis=0)
    mean = tf.reduce_sum(precision * loc, axis=0) / total
    return tfd.Independent(tfd.Normal(mean, tf.math.rsqrt(total)), 1)


class ExpertMixture(tfd.MixtureSameFamily):
    """A mixture of independent normals whose weights are no parameters.

    A draw is one of a component that is drawn before. As the weights do not depend on anything
    that is trained, the gradient through that component alone is right on average; tfp's implicit
    gradient, which serves all weights, takes a Jacobian of D x D numbers for each draw.

    Its arguments are those of `tfd.MixtureSameFamily`; its components, `tfd.Independent` normals.
    """

    @property
    def reparameterization_type(self):
        """Draws carry the gradient."""
        return tfd.FULLY_REPARAMETERIZED

    def _sample_n(self, n, seed=None):
        seeds = tf.random.split(tfp.random.sanitize_seed(seed), 2)
        drawn = tf.transpose(self.mixture_distribution.sample(n, seed=seeds[0]))  # [batch, n]
        normal = self.components_distribution.distribution  # [batch, C, D]
        loc, scale = (tf.gather(t, drawn, batch_dims=1) for t in (normal.loc, normal.scale))
        noise = tf.random.stateless_normal(tf.shape(loc), seeds[1], dtype=loc.dtype)
        return tf.transpose(loc + scale * noise, [1, 0, 2])


def _mixture(loc: tf.Tensor, scale: tf.Tensor, present: tf.Tensor) -> tfd.Distribution:
    """The mixture of experts of equal weights; the standard normal where none is present."""
    none = ~tf.reduce_any(present, axis=0, keepdims=True)
    present = tf.transpose(tf.concat([none, present], axis=0))
    loc = tf.transpose(tf.concat([tf.zeros_like(loc[:1]), loc], axis=0), [1, 0, 2])
    scale = tf.transpose(tf.concat([tf.ones_like(scale[:1]), scale], axis=0), [1, 0, 2])
    logits = tf.where(present, tf.zeros([], loc.dtype), tf.constant(NEVER, loc.dtype))
    return ExpertMixture(tfd.Categorical(logits=logits), tfd.Independent(tfd.Normal(loc, scale), 1))


def mixture_of_experts(loc: tf.Tensor, scale: tf.Tensor, present: tf.Tensor) -> tfd.Distribution:
    """The mixture of normal experts, q(z) = 1/M Σ_m N(z; μ_m, σ_m²), of those that are present.

    A draw is one of an expert that is drawn before, and carries the gradient to it.

    Args:
        loc: μ, `[M, batch, D]`.
        scale: σ, `[M, batch, D]`.
        present: Whether each expert has seen anything, boolean `[M, batch]`.

    Returns:
        Batch shape `[batch]`, event shape `[D]`; the standard normal where no expert is present.

    Example:
        >>> loc = tf.constant([[[0.0]], [[2.0]]])
        >>> float(mixture_of_experts(loc, tf.ones([2, 1, 1]), tf.fill([2, 1], True)).mean()[0, 0])
        1.0

    References:
        Shi, Siddharth, Paige, Torr, "Variational Mixture-of-Experts Autoencoders for Multi-Modal
        Deep Generative Models", 2019, Section 3.
    """
    return _mixture(loc, scale, present)


def mixture_of_products(loc: tf.Tensor, scale: tf.Tensor, present: tf.Tensor) -> tfd.Distribution:
    """The mixture of the products of every subset of the experts that are present.

    q(z) = 1/|P| Σ_S q_S(z) with q_S(z) ∝ Π_{m in S} N(z; μ_m, σ_m²), over the subsets S that are
    not empty. With one expert it is that expert, with two the mixture of both and their product.

    Args:
        loc: μ, `[M, batch, D]`.
        scale: σ, `[M, batch, D]`.
        present: Whether each expert has seen anything, boolean `[M, batch]`.

    Returns:
        Batch shape `[batch]`, event shape `[D]`; the standard normal where no expert is present.

    Example:
        >>> loc, scale = tf.zeros([3, 4, 2]), tf.ones([3, 4, 2])
        >>> q = mixture_of_products(loc, scale, tf.fill([3, 4], True))
        >>> q.components_distribution.batch_shape[1]  # 7 subsets, and the standard normal for none
        8

    References:
        Sutter, Daunhawer, Vogt, "Generalized Multimodal ELBO", 2021, Eq. 7-8.
    """
    count = loc.shape[0]
    subsets = [s for s in itertools.product([False, True], repeat=count) if any(s)]
    members = tf.constant(subsets)  # [S, M]
    precision = tf.einsum("sm,mbd->sbd", tf.cast(members, loc.dtype), 1.0 / tf.square(scale))
    weighted = tf.einsum("sm,mbd->sbd", tf.cast(members, loc.dtype), loc / tf.square(scale))
    whole = tf.reduce_all(present[tf.newaxis] | ~members[..., tf.newaxis], axis=1)  # [S, batch]
    return _mixture(weighted / precision, tf.math.rsqrt(precision), whole)
