"""What the structures of a class beside z share: the sum over the classes, and a known one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distribute import fold_in
from tfvae.distributions.batch_axes import Unfolded, fold, repeat, unfold
from tfvae.distributions.coercible import concrete, returned
from tfvae.distributions.expected import ExpectedEach
from tfvae.distributions.labels import known_labels
from tfvae.distributions.moments import mean_of
from tfvae.distributions.types import Latent, OfSome
from tfvae.errors import UserError
from tfvae.latents.base import LatentStructure
from tfvae.layers.exact_one_hot import ExactOneHot
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.priors.base import Prior
from tfvae.priors.standard_normal import StandardNormal
from tfvae.priors.temperature import tempered

tfd = tfp.distributions

__all__ = ["WithClass"]

IMPOSSIBLE = -1e9  # the logit of a class that an example is known not to have


class WithClass(LatentStructure):
    """Base: a class y, known for some examples, above a style z that is given the class.

    Args:
        classifier: q(y|·), Keras layer from features to a distribution over one-hot vectors.
        inference: q(z|·, y), called with the features and the one-hot y as `context`.
        alpha: Weight of −log q(y|·) in the loss of the examples with a label.
        prior: p(z); None: the standard normal.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        classifier: keras.layers.Layer,
        inference: keras.layers.Layer,
        *,
        alpha: float = 50.0,
        prior: Prior | None = None,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(**kwargs)
        for name, part in [("classifier", classifier), ("inference", inference)]:
            if not isinstance(part, keras.layers.Layer):
                raise UserError(f"{name} takes a Keras layer, got {part!r}")
        if not isinstance(prior, (Prior, type(None))):
            raise UserError(f"prior takes a tfvae.priors.Prior, got {prior!r}")
        if prior is not None and type(prior).connect is not Prior.connect:
            raise UserError(
                f"{type(prior).__name__} is made of posteriors of z given x, and here z is given "
                "the class as well: take another prior"
            )
        if not alpha >= 0:
            raise UserError(f"alpha takes a number from 0, got {alpha!r}")
        self.classifier, self.inference = classifier, inference
        self.alpha = float(alpha)
        self.style_prior = prior or StandardNormal()  # not `prior`: that of the model is p(y)
        self.conditioner: keras.layers.Layer | None = None  # from a label to one-hot

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.event_shape[0]

    def check(self, objective) -> None:
        """Refuses what takes draws of y in training."""
        if objective.samples or objective.kl == "monte_carlo":
            raise UserError(
                f"{type(self).__name__} sums over the classes, with one draw of z for each: the "
                f"gradient of {type(objective).__name__} with draws of the class would be wrong, "
                "take ELBO() with samples=1 and kl='auto'"
            )

    def build_for(self, features_shape: Sequence[int], data_shape: Sequence[int]) -> None:
        """Builds the networks, for features of a shape.

        Args:
            features_shape: Shape of one example's features.
            data_shape: Shape of x.

        Raises:
            UserError: If one of them returns another kind of distribution.
        """
        with tf.init_scope():
            zeros = tf.zeros([1, *features_shape])
            event = tuple(self.classified(zeros).event_shape)
            if len(event) != 1:
                raise UserError(
                    f"the classifier's events have the shape {event}: give it a head over one-hot "
                    "vectors, OneHotCategorical(classes)"
                )
            z = self.inferred(zeros, tf.zeros([1, *event]))
            if z.event_shape.rank != 1:
                raise UserError(f"z has the shape {tuple(z.event_shape)}: give it one axis")
            if not self.style_prior.built:
                self.style_prior.build(tuple(z.event_shape), tuple(data_shape))
        self.conditioner = keras.layers.CategoryEncoding(event[0], output_mode="one_hot")
        self.event_shape = event

    def adapt(self, batches: Iterable) -> None:
        """Lets the prior look at the data."""
        self.style_prior.adapt(batches)

    def for_networks(self, context) -> None:
        """Nothing: the label is the structure's."""
        return None

    def classified(self, features: tf.Tensor, training: bool = False) -> tfd.Distribution:
        """What the classifier says of features `[n, ...]`."""
        return concrete(returned("classifier", self.classifier(features, training=training)))

    def inferred(
        self, features: tf.Tensor, y: tf.Tensor, training: bool = False
    ) -> tfd.Distribution:
        """q(z|·, y) of features `[n, ...]` and one-hot classes `[n, C]`."""
        given = {"context": y, "training": training}
        return concrete(returned("inference network", self.inference(features, **given)))

    def call(self, context=None) -> tfd.Distribution:
        """Makes p(y), which is uniform."""
        return ExactOneHot(logits=tf.zeros(self.event_shape), dtype=tf.int32)

    def class_posterior(
        self, features: tf.Tensor, context, training: bool = False
    ) -> tuple[tfd.Distribution, tf.Tensor | None, dict | None]:
        """The class of each example, of which some are known.

        Args:
            features: `[n, ...]`.
            context: Labels, `[n]`, −1 where they are missing, or None.
            training: Whether this is a training step.

        Returns:
            q(y|·), certain of a label that is known; what the labels add to the loss, `[n]`, and
            the terms that are logged of them, both None without a context.
        """
        logits = tf.cast(self.classified(features, training).logits_parameter(), tf.float32)
        if context is None:
            return ExactOneHot(logits=logits, dtype=tf.int32), None, None
        labels, present = known_labels(type(self).__name__, context, logits.shape[-1])
        y = tf.one_hot(labels, logits.shape[-1])
        loss = -tf.reduce_sum(y * tf.nn.log_softmax(logits), axis=-1)
        counts = tf.cast(present, tf.float32)
        right = tf.cast(tf.equal(tf.argmax(logits, -1, labels.dtype), labels), tf.float32)
        terms = {"accuracy": OfSome(right, counts), "label_loss": OfSome(loss, counts)}
        certain = (1.0 - y) * IMPOSSIBLE
        known = tf.where(present[:, tf.newaxis], certain, logits)
        return ExactOneHot(logits=known, dtype=tf.int32), self.alpha * counts * loss, terms

    def every_class(
        self, features: tf.Tensor, q: tfd.Distribution, seed, gate: Callable, training: bool
    ) -> tuple[Latent, tf.Tensor]:
        """Draws z for each class.

        Args:
            features: `[n, ...]`.
            q: The posterior of the class, batch shape `[n]`.
            seed: Stateless seed.
            gate: See `LatentStructure.infer`.
            training: Whether this is a training step.

        Returns:
            The group of z, `[n, C, D]`, and y and z of each class side by side, `[C, n, C + D]`.
        """
        batch = tf.concat([[self.classes], tf.shape(features)[:1]], axis=0)
        y = tf.repeat(tf.eye(self.classes), batch[1], axis=0)  # [C · batch, C]
        each = Unfolded(self.inferred(repeat(features, batch), y, training), batch)
        posterior = ExpectedEach(each, q.probs_parameter())
        prior = ExpectedEach(self.style_prior(), q.probs_parameter())
        z, weights = gate(posterior.sample(seed=seed))  # [batch, C, D]
        codes = tf.concat([unfold(y, batch), tf.transpose(z, [1, 0, 2])], axis=-1)
        return Latent(z, posterior, prior, gradient_weights=weights), codes

    def one_class(
        self, features: tf.Tensor, y: tf.Tensor, seed, training: bool
    ) -> tuple[Latent, tf.Tensor]:
        """Draws z for one class of each example.

        Args:
            features: `[K · n, ...]`.
            y: One-hot classes, `[K, n, C]`.
            seed: Stateless seed.
            training: Whether this is a training step.

        Returns:
            The group of z, `[K, n, D]`, and y and z side by side, `[K, n, C + D]`.
        """
        batch, y = tf.shape(y)[:-1], tf.cast(y, tf.float32)
        q = Unfolded(self.inferred(features, fold(y, 1), training), batch)
        z = q.sample(seed=seed)
        return Latent(z, q, self.style_prior()), tf.concat([y, z], axis=-1)

    def one_hot(self, y, like: tf.Tensor | None = None) -> tf.Tensor:
        """Classes in one-hot form, from labels or as they are.

        Args:
            y: `[..., C]`, or labels of integers, `[...]`; `[n]` where there is no `like`.
            like: What has the same batch axes, and one more.
        """
        y = tf.convert_to_tensor(y)
        rank = 2 if like is None else like.shape.rank
        labels = y.dtype.is_integer and y.shape.rank == rank - 1
        return tf.one_hot(y, self.classes) if labels else tf.cast(y, tf.float32)

    def style_like(self, y: tf.Tensor) -> tf.Tensor:
        """The prior's mean of z, for each of the classes `[..., C]`."""
        mean = mean_of(self.style_prior())
        return tf.broadcast_to(mean, tf.concat([tf.shape(y)[:-1], tf.shape(mean)], axis=0))

    def drawn(self, n: int, context, seed, temperature) -> tf.Tensor:
        """Draws of p(y) and p(z) side by side, `[n, C + D]`; a y that the context has is that."""
        y = tf.cast(self().sample(n, seed=fold_in(seed, 0)), tf.float32)
        if context is not None:
            labels, present = known_labels(type(self).__name__, context, self.classes)
            y = tf.where(present[:, tf.newaxis], tf.one_hot(labels, self.classes), y)
        z = tempered(self.style_prior(), temperature).sample(n, seed=fold_in(seed, 1))
        return tf.concat([y, z], axis=-1)

    def get_config(self) -> dict:
        """Configuration for saving."""
        parts = {
            "classifier": self.classifier,
            "inference": self.inference,
            "prior": self.style_prior,
        }
        serialized = {k: keras.saving.serialize_keras_object(v) for k, v in parts.items()}
        return {**super().get_config(), "alpha": self.alpha, **serialized}

    @classmethod
    def from_config(cls, config: dict) -> WithClass:
        """Makes the structure of its configuration."""
        return cls(**keras.saving.deserialize_keras_object(config))
