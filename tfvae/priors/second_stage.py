"""A prior that is a VAE of the codes: the second stage of a two-stage VAE."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distribute import as_seed
from tfvae.distributions.coercible import concrete
from tfvae.layers import IndependentNormal
from tfvae.layers.noise_scope import noise_seed
from tfvae.layers.sizes import count_of
from tfvae.networks import MLP, Decoder, Encoder
from tfvae.options.bounds import Count, Widths
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.priors.base import Prior
from tfvae.priors.marginal import Marginal

tfd = tfp.distributions

__all__ = ["SecondStage"]


@keras.saving.register_keras_serializable(package="tfvae")
class SecondStage(Prior):
    """p(z) = ∫ p(z|u) N(u; 0, I) du, p(z|u) = N(z; μ(u), γ² I): a second VAE, of the codes.

    Its encoder q(u|z) is normal, γ one learned number. The density has no closed form: `log_prob`
    is the importance-weighted estimate log 1/K Σ_k p(z|u_k) p(u_k) / q(u_k|z), u_k ~ q(u|z), whose
    expectation is a lower bound of log p(z). So the ELBO and log p(x) of a model with this prior
    are estimates of lower bounds too. The draws u_k are a function of the noise of the model's
    call, and without one the same at each call.

    Args:
        latent_size: Number of elements of u; None: as many as z has.
        hidden: Units of the encoder's hidden layers; the decoder's are the same in reverse.
        samples: K.
        event_shape: Shape of z; None: learned from the posterior.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> prior = SecondStage(hidden=(16,), event_shape=3)
        >>> prior().log_prob(tf.zeros([7, 3])).shape
        TensorShape([7])

    References:
        Dai and Wipf, "Diagnosing and Enhancing VAE Models", 2019, Section 4.
        Burda, Grosse, Salakhutdinov, "Importance Weighted Autoencoders", 2016, Eq. 8.
    """

    def __init__(
        self,
        latent_size: Count | None = None,
        hidden: Widths = (256, 256),
        *,
        samples: Count = 16,
        event_shape: int | Sequence[int] | None = None,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(event_shape, **kwargs)
        self.latent_size = latent_size and count_of("latent_size", latent_size)
        self.hidden = [count_of("hidden", units) for units in hidden]
        self.samples = count_of("samples", samples)

    def build(self, event_shape=None, data_shape=None):
        """Makes encoder and decoder."""
        super().build(event_shape, data_shape)
        size, dtype = self.latent_size or math.prod(self.event_shape), self.variable_dtype
        head = IndependentNormal(self.event_shape, scale="shared", dtype=dtype)
        self.encoder = Encoder(
            MLP(self.hidden, dtype=dtype), IndependentNormal(size, dtype=dtype), dtype=dtype
        )
        self.decoder = Decoder(MLP(self.hidden[::-1], dtype=dtype), head, dtype=dtype)
        self.encoder.build((None, *self.event_shape))
        self.decoder.build((None, size))

    def call(self, context=None) -> tfd.Distribution:
        """Makes the distribution, batch shape `[]`; a context does not change it."""
        seed = noise_seed()
        return Marginal(
            self.encoder,
            self.decoder,
            self.event_shape,
            samples=self.samples,
            seed=as_seed(0) if seed is None else seed,
            dtype=self.variable_dtype,
        )

    def score(self, z: tf.Tensor, seed=None) -> tf.Tensor:
        """The second stage's own ELBO: E_q log p(z|u) − KL(q(u|z) ‖ N(0, I)), of one draw."""
        posterior = concrete(self.encoder(z))
        u = posterior.sample(seed=as_seed(seed))
        normal = tfd.Independent(tfd.Normal(tf.zeros_like(u), 1.0), 1)
        return self.decoder(u).log_prob(z) - tfd.kl_divergence(posterior, normal)

    def get_config(self) -> dict:
        """Configuration for saving."""
        own = {name: getattr(self, name) for name in ("latent_size", "hidden", "samples")}
        return {**super().get_config(), **own}
