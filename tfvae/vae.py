"""`VAE`: encoder, decoder, prior and objective, composed to a Keras model."""

from __future__ import annotations

import functools
import math
import os

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.batches import as_float, first_batch, unpack, with_context
from tfvae.distribute import as_seed, batch_mean, fold_in, replica_seed
from tfvae.divergences import log_importance_weights
from tfvae.errors import MissingFileError, UserError
from tfvae.folding import Unfolded, fold
from tfvae.layers.coercible import concrete
from tfvae.metrics import TermMeans
from tfvae.networks.conditional import build_by_call
from tfvae.objectives import ELBO, Objective
from tfvae.priors import Prior, StandardNormal
from tfvae.supports import check_data, check_shape
from tfvae.types import VAEOutput

tfd = tfp.distributions

__all__ = ["VAE", "load"]

PARTS = ("encoder", "decoder", "prior", "objective")
CHUNK_ELEMENTS = 2**22


def _distribution(part: str, output) -> tfd.Distribution:
    """The distribution that a network returned."""
    output = concrete(output)
    if not isinstance(output, tfd.Distribution):
        raise UserError(
            f"the {part} returned {type(output).__name__} and not a distribution: let it end in a "
            "layer of tfvae.layers, or return a tfd.Distribution"
        )
    return output


@keras.saving.register_keras_serializable(package="tfvae")
class VAE(keras.Model):
    """A variational autoencoder: an encoder q(z|x), a decoder p(x|z), a prior p(z), an objective.

    The training step minimises the mean over the batch of the objective, by default the negative
    ELBO, −E_q log p(x|z) + KL(q(z|x) ‖ p(z)): summed over the event, in nats. Noise is a function
    of (seed, step, replica), so that a run can be repeated, and resumed exactly.

    Args:
        encoder: Keras layer or model from x to a `tfd.Distribution` over z.
        decoder: Keras layer or model from z to a `tfd.Distribution` over x.
        prior: p(z); None: the standard normal of the posterior's event shape.
        objective: What is minimised; None: `ELBO(beta=1.0)`.
        seed: Seed of the noise in training and evaluation.
        **kwargs: Arguments of `keras.Model`.

    Example:
        >>> vae = tfvae.VAE(
        ...     encoder=tfvae.networks.Encoder(
        ...         tfvae.networks.MLP([200]), tfvae.layers.IndependentNormal(2)
        ...     ),
        ...     decoder=tfvae.networks.Decoder(
        ...         tfvae.networks.MLP([200]), tfvae.layers.IndependentBernoulli((8, 8, 1))
        ...     ),
        ... )
        >>> vae.compile(optimizer=keras.optimizers.Adam(1e-3))
        >>> history = vae.fit(tfvae.data.load("digits", batch_size=100), epochs=1)

    References:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, Eq. 7.
        Rezende, Mohamed, Wierstra, "Stochastic Backpropagation", 2014.
    """

    def __init__(
        self,
        encoder: keras.layers.Layer,
        decoder: keras.layers.Layer,
        prior: Prior | None = None,
        objective: Objective | None = None,
        *,
        seed: int = 0,
        **kwargs,
    ):
        # Data are compared with probabilities in float32 whatever the policy: no autocast.
        super().__init__(autocast=False, **kwargs)
        for name, part, base in [
            ("encoder", encoder, keras.layers.Layer),
            ("decoder", decoder, keras.layers.Layer),
            ("prior", prior, (Prior, type(None))),
            ("objective", objective, (Objective, type(None))),
        ]:
            if not isinstance(part, base):
                raise UserError(f"{name} takes an object of another kind, got {part!r}")
        self.encoder = encoder
        self.decoder = decoder
        self.prior_layer = prior or StandardNormal()
        self.objective = objective or ELBO()
        self.seed = int(seed)
        self.terms = TermMeans()

    def build(self, x_shape, context_shape=None):
        """Makes all weights for data `[batch, *event]` and a context `[batch, ...]`."""

        def run(x, context):
            output = self.call(x, context, samples=self.objective.samples)
            terms = self.objective(x, output).terms
            if self.terms.names is None:
                self.terms.build(["loss", *terms])

        build_by_call(run, x_shape, context_shape)
        if not self.objective.built:
            self.objective.build(tuple(x_shape))

    def call(self, x, context=None, samples=None, training=False, seed=None) -> VAEOutput:
        """Encodes x, draws z, decodes it.

        Args:
            x: Data, `[batch, *event]`.
            context: Labels or vectors, `[batch, ...]`, for a conditional model.
            samples: K: z is `[K, batch, ...]`; None: z is `[batch, ...]`.
            training: Whether layers that behave differently in training do so.
            seed: An integer or a stateless seed; None: fresh noise.

        Returns:
            The latent groups and the likelihood.
        """
        x = as_float(x)
        self._check_shape(x)
        posterior = self.encode(x, context)
        self._build_prior(posterior)
        latents = self.prior_layer.infer(
            posterior, context=context, samples=samples, seed=as_seed(seed)
        )
        likelihood = self.decode(latents[-1].z, context)
        check_shape(tuple(x.shape[1:]), likelihood.event_shape)
        return VAEOutput(latents, likelihood)

    def _check_shape(self, x: tf.Tensor) -> None:
        """Refuses a wrong shape before the encoder is called, or even built, on it."""
        event = getattr(getattr(self.decoder, "head", None), "event_shape", None)
        if event is not None and x.shape.rank is not None:
            check_shape(tuple(x.shape[1:]), event)

    def _build_prior(self, posterior: tfd.Distribution) -> None:
        if not self.prior_layer.built:
            event = tuple(posterior.event_shape)
            if self.prior_layer.event_shape not in (None, event):
                raise UserError(
                    f"the posterior's event shape is {event}, the prior's is "
                    f"{self.prior_layer.event_shape}: give both the same one, or the prior none"
                )
            self.prior_layer.build(event)

    def encode(self, x, context=None) -> tfd.Distribution:
        """The posterior q(z|x).

        Args:
            x: Data, `[batch, *event]`.
            context: `[batch, ...]`, for a conditional model.

        Returns:
            A distribution of batch shape `[batch]`.
        """
        kwargs = {} if context is None else {"context": context}
        return _distribution("encoder", self.encoder(as_float(x), **kwargs))

    def decode(self, z, context=None) -> tfd.Distribution:
        """The likelihood p(x|z).

        Args:
            z: `[batch, *event]`, or `[K, batch, *event]` with K samples.
            context: `[batch, ...]`, for a conditional model.

        Returns:
            A distribution of batch shape `[batch]` or `[K, batch]`.
        """
        z = tf.convert_to_tensor(z)
        event = self.prior_layer.event_shape
        event_rank = z.shape.rank - 1 if event is None else len(event)
        batch = tf.shape(z)[: z.shape.rank - event_rank]
        flat = z.shape.rank - event_rank == 1
        if not flat:
            # A decoder of any kind sees one batch axis; the draws get theirs back behind it.
            if context is not None:
                context = tf.convert_to_tensor(context)
                shape = tf.concat([batch, tf.shape(context)[1:]], axis=0)
                context = fold(tf.broadcast_to(context, shape), context.shape.rank - 1)
            z = fold(z, event_rank)
        kwargs = {} if context is None else {"context": context}
        likelihood = _distribution("decoder", self.decoder(z, **kwargs))
        return likelihood if flat else Unfolded(likelihood, batch)

    def prior(self, context=None) -> tfd.Distribution:
        """The prior p(z).

        Args:
            context: `[batch, ...]`, for a conditional prior.

        Returns:
            A distribution of batch shape `[]`, or `[batch]` with a context.

        Raises:
            UserError: If the prior does not know the shape of z yet.
        """
        self._assert_built()
        return self.prior_layer(context=context)

    def _assert_built(self) -> None:
        if self.prior_layer.event_shape is None:
            raise UserError("the model has no weights yet: fit it, or call it on data, first")

    def reconstruct(self, x, context=None, *, seed=None) -> tf.Tensor:
        """The mean of p(x|z) at a posterior sample.

        Args:
            x: Data, `[batch, *event]`.
            context: `[batch, ...]`, for a conditional model.
            seed: An integer or a stateless seed; None: fresh noise.

        Returns:
            `[batch, *event]`, in the units of x.
        """
        return self(x, context=context, seed=as_seed(seed)).likelihood.mean()

    def sample(self, n: int, seed=None, *, mean: bool = False, context=None) -> tf.Tensor:
        """Draws x from the model: z from the prior, x from p(x|z).

        Args:
            n: Number of draws.
            seed: An integer or a stateless seed; None: fresh noise.
            mean: Whether to return the mean of p(x|z) instead of a draw of it.
            context: `[n, ...]`, for a conditional model.

        Returns:
            `[n, *event]`.
        """
        self._assert_built()
        seed = as_seed(seed)
        z = self.prior_layer.generate(n, context=context, seed=fold_in(seed, 0))
        likelihood = self.decode(z, context)
        return likelihood.mean() if mean else likelihood.sample(seed=fold_in(seed, 1))

    def elbo(self, x, samples: int = 1, seed=None, *, context=None, chunk=None) -> tf.Tensor:
        """The evidence lower bound, E_q log p(x|z) − KL(q(z|x) ‖ p(z)), whatever the objective.

        Args:
            x: Data, `[batch, *event]`.
            samples: Posterior samples over which the expectation is averaged.
            seed: An integer or a stateless seed; None: fresh noise.
            context: `[batch, ...]`, for a conditional model.
            chunk: Samples that are in memory at once; None: some 4 million elements of x.

        Returns:
            Nats, `[batch]`; higher is better.
        """
        parts = self._in_chunks("elbo", x, context, samples, chunk, seed)
        return tf.add_n([size * elbo for size, elbo in parts]) / samples

    def log_prob(self, x, samples: int = 100, chunk=None, seed=None, *, context=None) -> tf.Tensor:
        """The importance-weighted estimate of log p(x), log 1/K Σ_k p(x, z_k) / q(z_k|x).

        Its expectation is a lower bound of log p(x) that rises with the number of samples.

        Args:
            x: Data, `[batch, *event]`.
            samples: K, the number of posterior samples.
            chunk: Samples that are in memory at once; None: some 4 million elements of x.
            seed: An integer or a stateless seed; None: fresh noise.
            context: `[batch, ...]`, for a conditional model.

        Returns:
            Nats, `[batch]`.

        References:
            Burda, Grosse, Salakhutdinov, "Importance Weighted Autoencoders", 2016, Eq. 8.
        """
        parts = self._in_chunks("log_prob", x, context, samples, chunk, seed)
        return tf.reduce_logsumexp([total for _, total in parts], axis=0) - math.log(samples)

    def _in_chunks(self, estimate, x, context, samples, chunk, seed):
        for name, value in [("samples", samples), ("chunk", 1 if chunk is None else chunk)]:
            if value != int(value) or value < 1:
                raise UserError(f"{name} takes an integer from 1, got {value!r}")
        x = as_float(x)
        self._check_shape(x)
        if not self.built:
            self.build(x.shape, None if context is None else context.shape)
        chunk = min(samples, chunk or max(1, CHUNK_ELEMENTS // max(1, math.prod(x.shape))))
        sizes = [chunk] * (samples // chunk) + [samples % chunk] * (samples % chunk > 0)
        seed = as_seed(seed)
        for i, size in enumerate(sizes):
            yield size, self._chunk_function(estimate, size)(x, context, fold_in(seed, i))

    @functools.cached_property
    def _chunk_functions(self) -> dict:
        return {}

    def _chunk_function(self, estimate: str, samples: int):
        """The compiled estimate with so many samples at once: `(x, context, seed) -> [batch]`."""

        def log_prob(x, context, seed):
            output = self(x, context=context, samples=samples, seed=seed)
            return tf.reduce_logsumexp(log_importance_weights(x, output), axis=0)

        def elbo(x, context, seed):
            output = self(x, context=context, samples=samples, seed=seed)
            distortion, rates = Objective().distortion_and_rates(x, output)
            return -distortion - tf.add_n(rates)

        # A partial: of a plain def, TensorFlow counts the traces over all models and numbers of
        # samples together, and warns of retracing.
        function = functools.partial({"log_prob": log_prob, "elbo": elbo}[estimate])
        made = self._chunk_functions
        key = (estimate, samples)
        return made.setdefault(key, tf.function(function, reduce_retracing=True, autograph=False))

    def fit(self, x=None, y=None, batch_size=None, epochs=1, **kwargs):
        """Trains the model: `keras.Model.fit`, after a look at the first batch.

        Args:
            x: A `tf.data.Dataset` of x, `(x, context)` or `(x, context, sample_weight)`, or an
                array of x.
            y: The contexts beside an array.
            batch_size: Batch size, for arrays.
            epochs: Number of epochs.
            **kwargs: Further arguments of `keras.Model.fit`.

        Returns:
            `keras.callbacks.History`, with `loss`, `elbo`, `distortion`, `rate` (nats) and more.

        Raises:
            UserError: If the data set is empty, the likelihood gives its values no density, or
                `compile` was given a loss or metrics.
        """
        compiled = self.get_compile_config() or {}
        for name in ("loss", "loss_weights", "metrics", "weighted_metrics"):
            if compiled.get(name):
                raise UserError(
                    f"compile({name}=...) would have no effect: the loss is the model's objective "
                    "and its terms are the metrics, give VAE(objective=...)"
                )
        y, weights = with_context(x, y, kwargs.pop("sample_weight", None))
        validation = kwargs.pop("validation_data", None)
        if isinstance(validation, (tuple, list)) and len(validation) == 3:
            validation = (validation[0], *with_context(*validation))
        for data in ((x, y), validation):
            batch = first_batch(*data) if isinstance(data, (tuple, list)) else first_batch(data)
            if batch is not None:
                self.check(batch)
        if not hasattr(x, "shape") and not isinstance(x, keras.utils.PyDataset):
            kwargs.setdefault("shuffle", False)  # Keras cannot and would warn
        return super().fit(
            x,
            y,
            batch_size,
            epochs,
            sample_weight=weights,
            validation_data=validation,
            **kwargs,
        )

    def evaluate(self, x=None, y=None, batch_size=None, **kwargs):
        """Gives the terms' means over data: `keras.Model.evaluate`.

        Args:
            x: As in `fit`.
            y: As in `fit`.
            batch_size: Batch size, for arrays.
            **kwargs: Further arguments of `keras.Model.evaluate`.

        Returns:
            The loss and the terms; by name with `return_dict=True`.
        """
        y, weights = with_context(x, y, kwargs.pop("sample_weight", None))
        batch = None if self.built else first_batch(x, y)
        if batch is not None:
            self.check(batch)
        return super().evaluate(x, y, batch_size, sample_weight=weights, **kwargs)

    def check(self, batch) -> None:
        """Builds the model on a batch and refuses data that the likelihood gives no density to.

        Args:
            batch: x, `(x, context)` or `(x, context, sample_weight)`.

        Raises:
            UserError: If the shape differs, a value is not finite, or one is outside the support.
        """
        x, context, _ = unpack(batch)
        with self.distribute_strategy.scope():
            if not self.built:
                # Through __call__, which notes the shapes that a saved model is built from.
                self(x[:1], context=None if context is None else context[:1])
            likelihood = self(x[:1], context=None if context is None else context[:1]).likelihood
        check_data(x, likelihood)

    @property
    def step(self) -> tf.Tensor:
        """Training steps taken so far; 0 before the model is compiled."""
        if self.optimizer is None:
            return tf.constant(0)
        return tf.convert_to_tensor(self.optimizer.iterations)

    def _batch_loss(self, data, seed, training: bool) -> tf.Tensor:
        """This replica's share of the loss of a batch; the terms are added to the metrics."""
        x, context, weights = unpack(data)
        output = self(
            x, context=context, samples=self.objective.samples, training=training, seed=seed
        )
        loss, terms = self.objective(x, output, step=self.step)
        share = batch_mean(loss, weights)
        count = tf.cast(tf.size(loss), loss.dtype)
        weights = tf.ones_like(loss) if weights is None else tf.cast(weights, loss.dtype)
        total = tf.reduce_sum(loss * weights)
        if self.losses:  # of regularizers and add_loss
            added = tf.cast(tf.add_n(self.losses), loss.dtype)
            share += added / self.distribute_strategy.num_replicas_in_sync
            total += added * count
        totals = {name: tf.reduce_sum(term * weights) for name, term in terms.items()}
        weight = tf.reduce_sum(weights)
        self.terms.update_state(
            {"loss": total, **totals}, {"loss": count, **dict.fromkeys(terms, weight)}
        )
        return share

    def train_step(self, data) -> dict:
        """One step of the optimizer on a batch."""
        seed = replica_seed(self.seed, self.step)
        with tf.GradientTape() as tape:
            loss = self.optimizer.scale_loss(self._batch_loss(data, seed, training=True))
        weights = self.trainable_weights
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return self.get_metrics_result()

    def test_step(self, data) -> dict:
        """The same numbers as in training, with noise that is the same at each evaluation."""
        if not self.built:  # `test_on_batch` alone comes here without weights
            x, context, _ = unpack(data)
            self.build(x.shape, None if context is None else context.shape)
        seen = tf.convert_to_tensor(self.terms.counts)[0]
        self._batch_loss(data, fold_in(replica_seed(self.seed, self.step), seen), training=False)
        return self.get_metrics_result()

    def predict_step(self, data) -> dict:
        """The posterior mean of z, and the mean of p(x|z) there."""
        x, context, _ = unpack(data)
        z = self.encode(x, context).mean()
        return {"z": z, "x": self.decode(z, context).mean()}

    def get_metrics_result(self) -> dict:
        """The logs: the terms' means, and the present value of every scheduled number."""
        return {**super().get_metrics_result(), **self.objective.scheduled(self.step)}

    def get_config(self) -> dict:
        """Configuration for saving."""
        parts = (self.encoder, self.decoder, self.prior_layer, self.objective)
        serialized = map(keras.saving.serialize_keras_object, parts)
        return {
            **super().get_config(),
            **dict(zip(PARTS, serialized, strict=True)),
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict, custom_objects=None) -> VAE:
        """Makes the model of its configuration."""
        parts = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects)
            for name in PARTS
        }
        return cls(**{**config, **parts})


def load(path: str | os.PathLike) -> VAE:
    """Loads a model that `vae.save("m.keras")` wrote: weights, configuration, compile state.

    Args:
        path: The `.keras` file.

    Returns:
        The model, ready to be used, and to be trained on from where it was.

    Raises:
        MissingFileError: If there is no such file.

    Example:
        >>> vae.save("m.keras")
        >>> same = tfvae.load("m.keras")
    """
    path = os.fspath(path)
    if not os.path.exists(path):
        raise MissingFileError(f"no model at {path!r}: give the .keras file that vae.save wrote")
    return keras.saving.load_model(path)
