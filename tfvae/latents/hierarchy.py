"""The base of the structures of several groups of latent variables."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distribute import as_seed, fold_in
from tfvae.distributions.batch_axes import Unfolded, fold, repeat, unfold
from tfvae.distributions.moments import mean_of
from tfvae.distributions.types import Latent
from tfvae.errors import UserError
from tfvae.latents.base import ConditionalStructure, ungated
from tfvae.priors.temperature import tempered

tfd = tfp.distributions

__all__ = ["Hierarchy"]


class Hierarchy(ConditionalStructure):
    """Base: p(z) = p(z_1) Π_l p(z_l | z_1, ..., z_{l−1}), the groups from the top down.

    With a conditioner each factor is conditional on the context as well, through its vector.

    The encoder returns features, `tfvae.networks.BottomUp` for one. A tuple of groups holds the
    top one first, everywhere. `vae.encode(x)` and `vae.prior()` are the distributions of the top
    group (of a group that is inferred from those below it, at their means). `vae.decode` takes
    the groups from the top down, a tensor or a tuple of some or all, and sets the others to their
    means; `vae.predict` gives the means of all.

    A concrete hierarchy defines `groups`, `descend` and `walk`, which see one batch axis: K draws
    of B examples are K·B examples.

    Attributes:
        event_shape: Shape of the top group.
    """

    _code_shape = None

    @property
    def groups(self) -> int:
        """Number of groups."""
        raise NotImplementedError(f"{type(self).__name__} has to define groups")

    def descend(self, n, choose: Callable, vector=None) -> tuple[list, tf.Tensor]:
        """Goes through the groups from the top down.

        Args:
            n: Number of examples.
            choose: `(i, p(z_i | those above), state above) -> z_i`, each for n examples.
            vector: The conditioner's, `[n, size]`; None without one.

        Returns:
            Every p(z_i | those above), and the code for the decoder, `[n, *code_shape]`.
        """
        raise NotImplementedError(f"{type(self).__name__} has to define descend(n, choose, vector)")

    def walk(self, features, draw: Callable, vector=None) -> tuple[list, list, tf.Tensor]:
        """Infers the groups, in whatever order.

        Args:
            features: What the encoder returned, a tuple of `[n, ...]`.
            draw: `(i, q(z_i | x and the groups before)) -> z_i`.
            vector: The conditioner's, `[n, size]`; None without one.

        Returns:
            Every q(z_i | ·) and p(z_i | those above), from the top down, and the code.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has to define walk(features, draw, vector)"
        )

    @property
    def code_shape(self) -> tuple[int, ...] | None:
        """Shape of the state below the last group."""
        return self._code_shape

    def prepare(self, encoded, data_shape, context=None) -> None:
        """Builds all parts by one walk over features of zeros."""
        if self.built:
            return
        shapes = [feature.shape[1:] for feature in _features(encoded)]
        size = None if (vector := self.vector(context)) is None else vector.shape[1]
        with tf.init_scope():
            zeros = tuple(tf.zeros([1, *shape]) for shape in shapes)
            vector = None if size is None else tf.zeros([1, size])
            posteriors, _, code = self.walk(zeros, lambda i, q: mean_of(q), vector)
        self.event_shape = tuple(posteriors[0].event_shape)
        self._code_shape = tuple(code.shape[1:])
        self.built = True

    def call(self, context=None) -> tfd.Distribution:
        """Makes the distribution of the top group."""
        n = 1 if context is None else tf.shape(context)[0]
        vector = self.vector(context)
        priors, _ = self.descend(n, lambda i, prior, state: mean_of(prior), vector)
        return Unfolded(priors[0], tf.zeros([0], tf.int32)) if context is None else priors[0]

    def posterior(self, encoded, context=None) -> tfd.Distribution:
        """The posterior of the top group."""
        vector = self.vector(context)
        return self.walk(_features(encoded), lambda i, q: mean_of(q), vector)[0][0]

    def means(self, encoded, context=None) -> tuple[tf.Tensor, ...]:
        """The mean of every group, given the means of those before it, from the top down."""
        means = {}

        def draw(i: int, posterior: tfd.Distribution) -> tf.Tensor:
            return means.setdefault(i, mean_of(posterior))

        self.walk(_features(encoded), draw, self.vector(context))
        return tuple(means[i] for i in range(self.groups))

    def infer(
        self,
        encoded,
        *,
        context=None,
        samples: int | None = None,
        seed=None,
        gate: Callable = ungated,
        training: bool = False,
    ) -> tuple[tuple[Latent, ...], tf.Tensor]:
        """Draws every group, given those before it, and holds it beside its prior."""
        features, seed = _features(encoded), as_seed(seed)
        groups, weights = {}, {}
        batch = tf.shape(features[0])[:1]
        if samples is not None:
            batch = tf.concat([[samples], batch], axis=0)
        features = tuple(repeat(feature, batch) for feature in features)
        vector = repeat(self.vector(context), batch)

        def draw(i: int, posterior: tfd.Distribution) -> tf.Tensor:
            z = posterior.sample(seed=fold_in(seed, i))
            groups[i], weights[i] = gate(unfold(z, batch))
            return fold(groups[i], z.shape.rank - 1)

        posteriors, priors, code = self.walk(features, draw, vector)
        if samples is not None:
            posteriors, priors = ([Unfolded(d, batch) for d in ds] for ds in (posteriors, priors))
        latents = tuple(
            Latent(groups[i], q, p, gradient_weights=weights[i])
            for i, (q, p) in enumerate(zip(posteriors, priors, strict=True))
        )
        return latents, unfold(code, batch)

    def code(self, z, context=None) -> tf.Tensor:
        """The decoder's input for the groups from the top down; those left out are at their means.

        Args:
            z: A tuple of `[batch, *event]` or `[K, batch, *event]`, or the top group alone.
            context: `[batch, ...]`, for a conditional hierarchy.

        Returns:
            `[batch, *code_shape]` or `[K, batch, *code_shape]`.

        Raises:
            UserError: If there are more than the model has.
        """
        groups = [tf.convert_to_tensor(g) for g in (z if isinstance(z, (tuple, list)) else [z])]
        if not 1 <= len(groups) <= self.groups:
            raise UserError(f"z has {len(groups)} groups: give 1 to {self.groups}, the top first")
        axes = groups[0].shape.rank - len(self.event_shape)
        batch = tf.shape(groups[0])[:axes]
        flat = [fold(group, group.shape.rank - axes) for group in groups]
        _, code = self.descend(
            tf.reduce_prod(batch),
            lambda i, prior, state: flat[i] if i < len(flat) else mean_of(prior),
            repeat(self.vector(context), batch),
        )
        return unfold(code, batch)

    def generate(self, n: int, *, context=None, seed=None, temperature=1.0) -> tf.Tensor:
        """Draws n codes; `temperature` is one number, or one for each group from the top down."""
        one = not isinstance(temperature, (tuple, list))
        temperatures = [temperature] * self.groups if one else temperature
        if len(temperatures) != self.groups:
            raise UserError(
                f"temperature has {len(temperatures)} entries: give one number, or {self.groups}, "
                "the top group's first"
            )
        seed = as_seed(seed)

        def choose(i: int, prior: tfd.Distribution, state) -> tf.Tensor:
            return tempered(prior, temperatures[i]).sample(seed=fold_in(seed, i))

        return self.descend(n, choose, self.vector(context))[1]


def _features(encoded) -> tuple[tf.Tensor, ...]:
    """The features of an encoder, as a tuple."""
    encoded = encoded if isinstance(encoded, (tuple, list)) else (encoded,)
    if any(isinstance(feature, tfd.Distribution) for feature in encoded):
        raise UserError(
            "the encoder returned a distribution, and a hierarchy of latent variables takes "
            "features: take tfvae.networks.BottomUp, or any Keras model without such a layer"
        )
    return tuple(tf.convert_to_tensor(feature) for feature in encoded)
