"""Several stochastic layers that are inferred from the bottom up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.batch_axes import Unfolded
from tfvae.distributions.coercible import returned
from tfvae.errors import UserError
from tfvae.latents.hierarchy import Hierarchy
from tfvae.networks.conditioning import join
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["StochasticLayers"]


class _Generated(Unfolded):
    """p(h_l | h_{l+1}) for an h_{l+1} that was drawn after h_l, and depends on it.

    It is a class of its own because no closed form of KL(q(h_l | ·) ‖ p) may be registered for it:
    one holds only if h_l is independent of h_{l+1}. So the rate is estimated at the draws.
    """


@keras.saving.register_keras_serializable(package="tfvae")
class StochasticLayers(Hierarchy):
    """A chain of latent layers h_1 (below) to h_L (on top), each given its neighbour alone.

    Generation: p(h_L) = N(0, I), then p(h_{l−1} | h_l) down to h_1, which the decoder takes.
    Inference: q(h_1 | x), then q(h_l | h_{l−1}) up to h_L.
    The groups are in the order of generation: `(h_L, ..., h_1)`. The rates of all but the top one
    have no closed form, for a layer's prior depends on a layer that is drawn after it.
    In a conditional hierarchy every network sees the context's vector beside its input, and
    p(h_L | c) has one of its own, which sees the vector alone.

    Args:
        inference: L networks that return distributions, `tfvae.networks.Encoder` for one: of h_1
            from the encoder's last features, of h_2 from h_1, and so on.
        generation: L − 1 such networks: of h_{L−1} from h_L, down to h_1 from h_2; with a
            conditioner L, the first of h_L.
        conditioner: Keras layer from the context to a vector, for a conditional prior.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: If the numbers of networks do not fit.

    Example:
        >>> def layer(hidden, size):
        ...     head = tfvae.layers.IndependentNormal(size)
        ...     return tfvae.networks.Encoder(tfvae.networks.MLP(hidden, "tanh"), head)
        >>> structure = StochasticLayers(
        ...     inference=[layer([], 100), layer([100, 100], 50)],
        ...     generation=[layer([100, 100], 100)],
        ... )

    References:
        Burda, Grosse, Salakhutdinov, "Importance Weighted Autoencoders", 2016, Eqs. 1 and 2.
    """

    def __init__(
        self,
        inference: Sequence[keras.layers.Layer],
        generation: Sequence[keras.layers.Layer],
        *,
        conditioner: keras.layers.Layer | None = None,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(conditioner=conditioner, **kwargs)
        if not inference or len(generation) != len(inference) - (conditioner is None):
            raise UserError(
                f"{len(inference)} layers are inferred and {len(generation)} generated: give "
                + (
                    "one generating network less, the top layer's prior is the standard normal"
                    if conditioner is None
                    else "a generating network for each, the top layer's takes the context"
                )
            )
        self.inference = list(inference)
        self.generation = list(generation)

    @property
    def groups(self) -> int:
        """Number of latent layers."""
        return len(self.inference)

    def descend(self, n, choose: Callable, vector=None) -> tuple[list, tf.Tensor]:
        """Generates the layers from the top down; the code is h_1."""
        priors, z = [], None
        if self.conditioner is None:
            zeros = tf.zeros([n, *self.event_shape], self.variable_dtype)
            priors = [tfd.Independent(tfd.Normal(zeros, 1.0), len(self.event_shape))]
            z = choose(0, priors[0], None)
        for i, network in enumerate(self.generation, len(priors)):
            priors.append(returned("generating network", network(join(z, vector))))
            z = choose(i, priors[i], z)
        return priors, z

    def walk(self, features, draw: Callable, vector=None) -> tuple[list, list, tf.Tensor]:
        """Infers the layers from the bottom up."""
        posteriors, draws = [], [features[-1]]
        for i, network in zip(range(self.groups)[::-1], self.inference, strict=True):
            posteriors.insert(0, returned("inferring network", network(join(draws[0], vector))))
            draws.insert(0, draw(i, posteriors[0]))
        self.event_shape = tuple(posteriors[0].event_shape)
        n = tf.shape(features[0])[:1]
        priors, code = self.descend(n[0], lambda i, prior, state: draws[i], vector)
        return posteriors, [priors[0], *(_Generated(p, n) for p in priors[1:])], code

    def get_config(self) -> dict:
        """Configuration for saving."""
        parts = {"inference": self.inference, "generation": self.generation}
        parts = {k: keras.saving.serialize_keras_object(v) for k, v in parts.items()}
        return {**super().get_config(), **parts}
