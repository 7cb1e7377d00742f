"""The blocks of the very deep VAE."""

from __future__ import annotations

import math
import re

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.latents.block import Block
from tfvae.networks.bottleneck import Bottleneck
from tfvae.options.keywords import LayerOptions, Unpack, VeryDeepBlockOptions

tfd = tfp.distributions

__all__ = ["VeryDeepBlock", "very_deep_blocks"]

# softplus(raw + this) = 1 at raw = 0: the blocks' priors start as standard normals.
_ONE = math.log(math.expm1(1.0))


@keras.saving.register_keras_serializable(package="tfvae")
class VeryDeepBlock(Block):
    """A residual block on a grid, around one group of latent variables on it.

    Three bottlenecks of convolutions f: the prior's, the posterior's and a residual one:

    (μ_p, σ_p, h) = f_p(s);  (μ_q, σ_q) = f_q(s, features of x);  s ← f(s + h + W z)

    The features h of the prior do not depend on z. At the start, the last kernel of f_p is zero,
    and W and the last kernel of f are scaled by √(1/depth). The first block on a grid adds the
    nearest neighbours of the coarser grid's state and a learned bias. σ is softplus where the
    published code has exp. In a conditional hierarchy a linear map of the context's vector is
    added to s.

    Args:
        size: R, of the RxR grid.
        source: The coarser grid that this block is the first one after; 0 on top; None: the state
            is on this grid.
        filters: Channels of the state.
        latent: Channels of z.
        bottleneck: Channels inside the bottlenecks, as a share of `filters`.
        depth: Number of blocks of the hierarchy.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> structure = TopDown(very_deep_blocks("14x2,7x3,1x1", filters=64, latent=16))

    References:
        Child, "Very Deep VAEs Generalize Autoregressive Models and Can Outperform Them on
        Images", 2021, Figure 3 and Section 3.
    """

    def __init__(
        self,
        size: int,
        source: int | None = None,
        filters: int = 64,
        latent: int = 16,
        bottleneck: float = 0.25,
        depth: int = 1,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(**kwargs)
        if source and size % source:
            raise UserError(f"a grid of {source} cannot be unpooled to {size}: give a multiple")
        self.size, self.source, self.filters = int(size), source, int(filters)
        self.latent, self.bottleneck, self.depth = int(latent), float(bottleneck), int(depth)
        middle, kernel = max(1, math.ceil(filters * bottleneck)), 3 if size > 2 else 1
        wide = self.dtype_policy.variable_dtype  # parameters of densities are float32
        self.prior_network = Bottleneck(
            middle, 2 * self.latent + self.filters, kernel, last_scale=0.0, dtype=wide
        )
        self.posterior_network = Bottleneck(middle, 2 * self.latent, kernel, dtype=wide)
        self.residual = Bottleneck(
            middle, self.filters, kernel, residual=True, last_scale=1.0 / depth
        )
        scale = keras.initializers.VarianceScaling(1.0 / depth, "fan_in")
        self.from_z = keras.layers.Conv2D(self.filters, 1, kernel_initializer=scale)
        self.from_context = None
        self.bias = None
        if source is not None:
            shape = (1, self.size, self.size, self.filters)
            self.bias = self.add_weight(shape=shape, initializer="zeros", name="bias")

    def enter(self, state, n, vector=None) -> tf.Tensor:
        """The state on this block's grid, and a linear map of the vector added to it."""
        if self.source is not None:
            bias = tf.cast(tf.convert_to_tensor(self.bias), self.compute_dtype)
            factor = self.size // self.source if self.source else 1
            state = tf.repeat(bias, n, axis=0) if state is None else _unpool(state, factor) + bias
        if vector is None:
            return state
        if self.from_context is None:
            self.from_context = keras.layers.Conv2D(
                self.filters, 1, use_bias=False, dtype=self.dtype_policy
            )
        return state + self.from_context(vector[:, None, None])

    def _normal(self, params: tf.Tensor) -> tfd.Distribution:
        loc, raw = tf.split(params, 2, axis=-1)
        return tfd.Independent(tfd.Normal(loc, tf.math.softplus(raw + _ONE) + 1e-4), 3)

    def prior(self, state, n) -> tuple[tfd.Distribution, tf.Tensor]:
        """p(z | s), and s with the prior's free features."""
        params = self.prior_network(state)
        params, free = params[..., : 2 * self.latent], params[..., 2 * self.latent :]
        return self._normal(params), state + tf.cast(free, state.dtype)

    def posterior(self, state, features, prior) -> tfd.Distribution:
        """q(z | s, features of x on this grid)."""
        feature = tf.cast(self._on_grid(features), state.dtype)
        return self._normal(self.posterior_network(tf.concat([state, feature], axis=-1)))

    def _on_grid(self, features) -> tf.Tensor:
        """The features on this grid, or the means of those on the next finer one."""
        for feature in reversed(features):
            if feature.shape.rank == 4 and not feature.shape[1] % self.size:
                factor = feature.shape[1] // self.size
                return tf.nn.avg_pool2d(feature, factor, factor, "VALID") if factor > 1 else feature
        raise UserError(
            f"the encoder has no features for the {self.size}x{self.size} grid, only of shapes "
            f"{[tuple(feature.shape[1:]) for feature in features]}: give it this grid"
        )

    def update(self, state, z) -> tf.Tensor:
        """The state with z, through the residual bottleneck."""
        return self.residual(state + tf.cast(self.from_z(z), state.dtype))

    def get_config(self) -> dict:
        """Configuration for saving."""
        names = ("size", "source", "filters", "latent", "bottleneck", "depth")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _unpool(state: tf.Tensor, factor: int) -> tf.Tensor:
    """Nearest neighbours on a grid that is finer by a factor."""
    return tf.repeat(tf.repeat(state, factor, axis=1), factor, axis=2)


def very_deep_blocks(depths: str, **options: Unpack[VeryDeepBlockOptions]) -> list[VeryDeepBlock]:
    """The blocks of a string such as `"14x2,7x3,1x1"`, the top one first.

    Args:
        depths: `RxN`, N blocks on the RxR grid, or `RmS`, one block there after the SxS grid, as
            in the published code; in any order: the way is from the coarsest grid to the finest.
        **options: Arguments of `VeryDeepBlock`.

    Returns:
        The blocks.

    Raises:
        UserError: If the string does not read so.

    Example:
        >>> [block.size for block in very_deep_blocks("4x2,1x1")]
        [1, 4, 4]
    """
    counts: dict[int, int] = {}
    for part in depths.replace(" ", "").split(","):
        match = re.fullmatch(r"([1-9]\d*)(?:x([1-9]\d*)|m\d+)?", part)
        if not match:
            raise UserError(f"the depth {depths!r} has {part!r}: give such as 14x2,7x3,1x1")
        counts[int(match[1])] = counts.get(int(match[1]), 0) + int(match[2] or 1)
    sizes, depth = sorted(counts), sum(counts.values())
    above = dict(zip(sizes, [0, *sizes], strict=False))
    return [
        VeryDeepBlock(size, above[size] if i == 0 else None, depth=depth, **options)
        for size in sizes
        for i in range(counts[size])
    ]
