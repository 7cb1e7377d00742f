"""A supervised head on z beside any objective."""

from __future__ import annotations

import math

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.batch_axes import Unfolded, fold
from tfvae.distributions.coercible import concrete, returned
from tfvae.distributions.labels import known_labels
from tfvae.distributions.supports import support_of
from tfvae.distributions.types import ObjectiveOutput, OfSome, VAEOutput
from tfvae.errors import UserError
from tfvae.layers import IndependentCategorical
from tfvae.networks import MLP
from tfvae.objectives.base import Objective
from tfvae.objectives.elbo import ELBO
from tfvae.objectives.scheduled_number import ScheduledNumber
from tfvae.options.bounds import Count, Weight, Widths
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.schedules import Scheduled

tfd = tfp.distributions

__all__ = ["Supervised"]


@keras.saving.register_keras_serializable(package="tfvae")
class Supervised(Objective):
    """A head p(y|z) beside an objective: loss = objective − λ E_q(z|x) log p(y|z).

    `fit(x, y)` hands the labels to the head; the networks see x alone. With the ELBO and λ = 1
    the loss is a bound of −log p(x, y). A label that is missing is −1 (of a head over real
    numbers: NaN), and its example counts in the objective alone. `objective.labels(z)` is p(y|z).

    Terms beside the objective's: `label_loss`, −E log p(y|z) in nats, and of a head over classes
    `accuracy`, the share of labels that have the largest probability, averaged over the draws of
    z. Both are means over the examples with a label, 0 where there are none.

    Args:
        head: Keras layer or model from z, `[batch, size]`, to a `tfd.Distribution` over y; several
            groups of z side by side. None: an MLP and a categorical.
        classes: Number of classes, where there is no `head`.
        units: Units of the MLP's layers, where there is no `head`.
        label_weight: λ, a number, a schedule of `tfvae.schedules` or of Keras, or a function of
            the step.
        objective: What is minimised beside it; None: `ELBO()`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: When the model is built, if z are codes of integers or the objective gives each
            draw of z a gradient of its own.

    Example:
        >>> objective = Supervised(classes=3, label_weight=10.0)
        >>> model = tfvae.recipes.vae((8, 8, 1), 8, objective=objective)
        >>> model.compile("adam")
        >>> history = model.fit(x, y, verbose=0)
        >>> model.objective.labels(model.encode(x).mean()).mode().shape
        TensorShape([128])

    References:
        Kingma, Mohamed, Rezende, Welling, "Semi-supervised Learning with Deep Generative Models",
        2014, Eq. 9 (the weight of the labels' log-likelihood).
        Zhuang et al., "Supervised Representation Learning: Transfer Learning with Deep
        Autoencoders", 2015 (labels from the code).
    """

    label_weight = ScheduledNumber(low=0.0)

    def __init__(
        self,
        head: keras.layers.Layer | None = None,
        *,
        classes: Count = 10,
        units: Widths = (64,),
        label_weight: Weight | Scheduled = 1.0,
        objective: Objective | None = None,
        **kwargs: Unpack[LayerOptions],
    ):
        objective = ELBO() if objective is None else objective
        if not isinstance(objective, Objective):
            raise UserError(f"objective takes an object of tfvae.objectives, got {objective!r}")
        super().__init__(samples=objective.samples, kl=objective.kl, **kwargs)
        if not isinstance(head, (keras.layers.Layer, type(None))):
            raise UserError(f"head takes a Keras layer from z to a distribution, got {head!r}")
        self.objective = objective
        self.classes, self.units = int(classes), list(units)
        self.label_weight = label_weight
        self.head = self._classifier() if head is None else head

    def _classifier(self) -> keras.Sequential:
        head = IndependentCategorical((), levels=self.classes, dtype=self.dtype_policy)
        logits = keras.layers.Dense(head.params_size, dtype=self.dtype_policy)
        return keras.Sequential([MLP(self.units, dtype=self.dtype_policy), logits, head])

    def build(self, x_shape) -> None:
        """Builds the objective beside the head; the head's weights are made at the first output."""
        if not self.objective.built:
            self.objective.build(x_shape)
        self.built = True

    def labels(self, z) -> tfd.Distribution:
        """The head's p(y|z).

        Args:
            z: `[batch, *event]`; a tuple of them where there are several groups, as `vae.predict`
                gives them.

        Returns:
            Batch shape `[batch]`; of a head over classes, `mode()` is the label.
        """
        groups = z if isinstance(z, (tuple, list)) else [z]
        return self._labels([tf.convert_to_tensor(group) for group in groups], lead=1)

    def _labels(self, groups: list[tf.Tensor], lead: int) -> tfd.Distribution:
        """p(y|z) for groups with `lead` batch axes in front."""
        batch = tf.shape(groups[0])[:lead]
        flat = [fold(z, z.shape.rank - lead) for z in groups]
        flat = [tf.reshape(z, [-1, math.prod(z.shape[1:])]) for z in flat]
        labels = returned("head", self.head(tf.concat(flat, axis=1)))
        return labels if lead == 1 else Unfolded(concrete(labels), batch)

    def call(
        self,
        x: tf.Tensor,
        output: VAEOutput,
        *,
        step=0,
        weights: tf.Tensor | None = None,
        target: tf.Tensor,
        seed=None,
    ) -> ObjectiveOutput:
        """Computes the loss of a batch, nats per example."""
        loss, terms = self.objective(x, output, step=step, weights=weights, seed=seed)
        for latent in output.latents:
            if not latent.z.dtype.is_floating:
                raise UserError(
                    f"Supervised puts a head on z, and {latent.posterior.name} draws values of "
                    f"type {latent.z.dtype.name}: take a posterior of real numbers"
                )
            if latent.gradient_weights is not None:
                raise UserError(
                    f"Supervised sends a gradient of its own through z, and "
                    f"{type(self.objective).__name__} weighs those of its draws: give it the "
                    "plain gradient"
                )
        labels = self._labels([latent.z for latent in output.latents], 2 if self.samples else 1)
        levels = support_of(labels).levels
        y, present = self._target(target, labels, levels)
        likelihood = labels.log_prob(y)
        counts = tf.cast(present, likelihood.dtype)
        if self.samples:
            likelihood = tf.reduce_mean(likelihood, axis=0)
        likelihood *= counts
        terms = {**terms, "label_loss": OfSome(-likelihood, counts)}
        if levels is not None and labels.event_shape.rank == 0:
            right = tf.cast(tf.equal(tf.cast(labels.mode(), y.dtype), y), likelihood.dtype)
            right = tf.reduce_mean(right, axis=0) if self.samples else right
            terms["accuracy"] = OfSome(right, counts)
        return ObjectiveOutput(loss - self.label_weight(step) * likelihood, terms)

    @staticmethod
    def _target(
        target: tf.Tensor, labels: tfd.Distribution, levels: int | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The labels in the head's shape and type, and which of them are there."""
        if levels is not None and labels.event_shape.rank == 0:
            y, present = known_labels("Supervised", target, levels)
            return tf.cast(y, labels.dtype), present
        event = list(labels.event_shape)
        y = tf.cast(tf.convert_to_tensor(target), labels.dtype)
        # [batch] and [batch, 1] hold the same; all else would be broadcast to numbers of nothing.
        if [n for n in y.shape[1:] if n != 1] != [n for n in event if n != 1]:
            raise UserError(
                f"y has the shape {tuple(y.shape)}, and the head's events {tuple(event)}: give "
                "both the same one behind the batch axis"
            )
        y = tf.reshape(y, [-1, *event])
        missing = tf.math.is_nan(y)
        present = ~tf.reduce_any(missing, axis=list(range(1, y.shape.rank)))
        return tf.where(missing, tf.zeros_like(y), y), present

    # What the training asks of an objective, it asks of the one beside the head.

    @property
    def per_example(self) -> bool:
        """Whether that is so of the objective beside the head."""
        return self.objective.per_example

    @property
    def needs_examples(self) -> bool:
        """Whether that is so of the objective beside the head."""
        return self.objective.needs_examples

    @property
    def counted_examples(self) -> int | None:
        """N as the latest `fit` counted it."""
        return self.objective.counted_examples if "objective" in vars(self) else None

    @counted_examples.setter
    def counted_examples(self, examples: int | None) -> None:
        if examples is not None:
            self.objective.counted_examples = examples

    @property
    def assigned(self) -> int:
        """How often a number was assigned, here or of the objective beside the head."""
        inner = vars(self).get("objective")
        return super().assigned + (0 if inner is None else inner.assigned)

    @property
    def directions(self) -> dict[str, str]:
        """Those of the objective beside the head too."""
        return {**super().directions, "label_loss": "min", **self.objective.directions}

    @property
    def own_weights(self) -> list:
        """Weights that the objective beside the head trains by itself."""
        return self.objective.own_weights

    @property
    def optimizer(self):
        """The optimizer of the objective beside the head, if it has one."""
        return getattr(self.objective, "optimizer", None)

    def gate(self, z: tf.Tensor) -> tuple[tf.Tensor, list | None]:
        """That of the objective beside the head."""
        return self.objective.gate(z)

    def accumulate(self, batches: int | None) -> None:
        """Tells the objective beside the head."""
        self.objective.accumulate(batches)

    def own_terms(self, x, output, *, seed, weights=None) -> dict[str, tf.Tensor]:
        """Those of the objective beside the head."""
        return self.objective.own_terms(x, output, seed=seed, weights=weights)

    def update(self, x, output, *, step=0, seed=None, weights=None) -> dict[str, tf.Tensor]:
        """The second step of the objective beside the head."""
        return self.objective.update(x, output, step=step, seed=seed, weights=weights)

    def scheduled(self, step) -> dict[str, tf.Tensor]:
        """The numbers that schedules give, those of the objective beside the head too."""
        return {**self.objective.scheduled(step), **super().scheduled(step)}

    def get_config(self) -> dict:
        """Configuration for saving."""
        config = super().get_config()
        for name in ("samples", "kl"):
            config.pop(name)
        parts = {"head": self.head, "objective": self.objective}
        return {
            **config,
            "classes": self.classes,
            "units": self.units,
            **{k: keras.saving.serialize_keras_object(v) for k, v in parts.items()},
        }
