"""Bayesian layers whose kernel and bias have a posterior and a prior each."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distribute import fold_in
from tfvae.distributions.variables import refuse_untracked
from tfvae.errors import UserError, unknown_name
from tfvae.layers.bayesian import BayesianLayer, exact_or_monte_carlo_kl
from tfvae.layers.noise_scope import noise_seed
from tfvae.layers.weight_distribution import WeightStore
from tfvae.layers.weight_functions import MeanFieldNormal, default_multivariate_normal_fn
from tfvae.options.keywords import BayesianOptions, Unpack

tfd = tfp.distributions

__all__ = ["FactorizedLayer"]

DRAWS = ("sample", "mean", "mode")


class FactorizedLayer(BayesianLayer):
    """Base: the kernel and the bias have a posterior and a prior each.

    A posterior or prior function takes `(dtype, shape, name, trainable, add_variable_fn)` and
    returns a distribution of event shape `shape`; it makes its weights with `add_variable_fn`.
    To be saved, a function has to be registered with Keras.

    Args:
        kernel_posterior_fn: Makes q(W); independent normals by default.
        kernel_posterior_tensor_fn: Makes W of q(W): `"sample"`, `"mean"`, `"mode"` or a callable.
        kernel_prior_fn: Makes p(W), independent N(0, 1) by default; None: no KL.
        kernel_divergence_fn: Makes the KL in nats of `(q, p, W)`; None: no KL. By default exact
            where tfp has a closed form, Monte Carlo otherwise.
        bias_posterior_fn: Makes q(b), a point by default; None: no bias.
        bias_posterior_tensor_fn: As for the kernel.
        bias_prior_fn: Makes p(b); None, the default: no KL.
        bias_divergence_fn: As for the kernel.
        seed: Of the draws, together with `keras.utils.set_random_seed`; None: a fresh one.
        **kwargs: Arguments of `BayesianLayer`.
    """

    FUNCTIONS = tuple(
        f"{part}_{role}_fn"
        for part in ("kernel", "bias")
        for role in ("posterior", "posterior_tensor", "prior", "divergence")
    )

    def __init__(
        self,
        *,
        kernel_posterior_fn=MeanFieldNormal(),  # noqa: B008 (it has no state)
        kernel_posterior_tensor_fn="sample",
        kernel_prior_fn=default_multivariate_normal_fn,
        kernel_divergence_fn=exact_or_monte_carlo_kl,
        bias_posterior_fn=MeanFieldNormal(is_singular=True),  # noqa: B008
        bias_posterior_tensor_fn="sample",
        bias_prior_fn=None,
        bias_divergence_fn=exact_or_monte_carlo_kl,
        seed: int | None = None,
        **kwargs: Unpack[BayesianOptions],
    ):
        super().__init__(**kwargs)
        given = locals()
        for name in self.FUNCTIONS:
            setattr(self, name, given[name])
        for draw in (kernel_posterior_tensor_fn, bias_posterior_tensor_fn):
            if isinstance(draw, str) and draw not in DRAWS:
                raise unknown_name("posterior_tensor_fn", draw, DRAWS)
        self.seed = seed
        self._store = WeightStore(self)
        self._latest: dict[str, tf.Tensor | tfd.Distribution | None] = {}

    def build(self, input_shape):
        """Makes the weights of the four distributions."""
        kernel = self.kernel_shape(input_shape)
        self._shapes = {"kernel": list(kernel), "bias": [kernel[-1]]}
        for part in self._shapes:
            for role in ("posterior", "prior"):
                made = self._distribution(part, role)
                refuse_untracked(f"what {part}_{role}_fn returns", made)

    def _distribution(self, part: str, role: str) -> tfd.Distribution | None:
        make = getattr(self, f"{part}_{role}_fn")
        if make is None:
            return None
        dtype = tf.as_dtype(self.variable_dtype)
        name = f"{part}_{role}"
        return make(dtype, self._shapes[part], name, self.trainable, self._store)

    @property
    def kernel_posterior(self) -> tfd.Distribution:
        """q(W) with the weights as they are now."""
        return self._distribution("kernel", "posterior")

    @property
    def kernel_prior(self) -> tfd.Distribution | None:
        """p(W)."""
        return self._distribution("kernel", "prior")

    @property
    def bias_posterior(self) -> tfd.Distribution | None:
        """q(b) with the weights as they are now."""
        return self._distribution("bias", "posterior")

    @property
    def bias_prior(self) -> tfd.Distribution | None:
        """p(b)."""
        return self._distribution("bias", "prior")

    def remember(self, **drawn) -> None:
        """Keeps what an eager call draws, to be looked at; a graph's tensor has no value later."""
        if tf.executing_eagerly():
            self._latest.update(drawn)

    @property
    def kernel_posterior_tensor(self) -> tf.Tensor | None:
        """W of the latest eager call; None before, and where the noise is not that of a kernel."""
        return self._latest.get("kernel_posterior_tensor")

    @property
    def bias_posterior_tensor(self) -> tf.Tensor | None:
        """B of the latest eager call; None before, and where there is no bias."""
        return self._latest.get("bias_posterior_tensor")

    @property
    def kernel_posterior_affine(self) -> tfd.Normal | None:
        """The normal that the latest eager call drew from instead of q(W), or None.

        That of the outputs with local reparameterization, that of ΔW with Flipout.
        """
        return self._latest.get("kernel_posterior_affine")

    @property
    def kernel_posterior_affine_tensor(self) -> tf.Tensor | None:
        """The draw of `kernel_posterior_affine`."""
        return self._latest.get("kernel_posterior_affine_tensor")

    def noise_seeds(self) -> list[tf.Tensor]:
        """Three stateless seeds: new ones in each call, others on each replica.

        Inside a block of `tfvae.layers.noise` they are a function of the block's seed, and of the
        layer's own where it has one.
        """
        seed = noise_seed()
        if seed is not None:
            seed = seed if self.seed is None else fold_in(seed, self.seed)
            return tf.unstack(tfp.random.split_seed(seed, n=3))
        limits = np.iinfo(np.int32)
        seed = tf.random.uniform([2], limits.min, limits.max, dtype=tf.int32, seed=self.seed)
        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            replica = tf.cast(context.replica_id_in_sync_group, tf.int32)
            seed = tf.random.experimental.stateless_fold_in(seed, replica)
        return tf.unstack(tfp.random.split_seed(seed, n=3))

    @staticmethod
    def draw(distribution: tfd.Distribution, draw_fn, seed: tf.Tensor) -> tf.Tensor:
        """The value that stands for a distribution of weights."""
        if draw_fn == "sample":
            return distribution.sample(seed=seed)
        return (
            getattr(distribution, draw_fn)() if isinstance(draw_fn, str) else draw_fn(distribution)
        )

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Returns the outputs for weights that are drawn anew, and adds the KL to the losses."""
        self.advance(training)
        self._latest = {}
        kernel_seed, sign_seed, bias_seed = self.noise_seeds()
        posterior, bias = self.kernel_posterior, None
        outputs, kernel = self.estimate(inputs, posterior, kernel_seed, sign_seed)
        self._divergence("kernel", posterior, kernel)
        posterior = self.bias_posterior
        if posterior is not None:
            bias = self.draw(posterior, self.bias_posterior_tensor_fn, bias_seed)
            self._divergence("bias", posterior, bias)
        self.remember(bias_posterior_tensor=bias)
        return self.finish(outputs, bias)

    def _divergence(self, part: str, posterior: tfd.Distribution, sample: tf.Tensor | None):
        divergence, prior = (
            getattr(self, f"{part}_divergence_fn"),
            self._distribution(part, "prior"),
        )
        if divergence is not None and prior is not None:
            self.add_kl(divergence(posterior, prior, sample), part)

    def normal_of(self, posterior: tfd.Distribution) -> tfd.Normal:
        """The normal in `Independent(Normal)`.

        Raises:
            UserError: If the posterior is another distribution.
        """
        inner = getattr(posterior, "distribution", None)
        if not (isinstance(posterior, tfd.Independent) and isinstance(inner, tfd.Normal)):
            raise UserError(
                f"{type(self).__name__} takes a kernel posterior of independent normals, got "
                f"{posterior.name}: use a Reparameterization layer for other posteriors"
            )
        return inner

    def get_config(self) -> dict:
        """Configuration for saving."""
        functions = {
            name: keras.saving.serialize_keras_object(getattr(self, name))
            for name in self.FUNCTIONS
        }
        return {**super().get_config(), **functions, "seed": self.seed}
