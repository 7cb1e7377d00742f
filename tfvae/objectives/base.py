"""The base of all objectives."""

from __future__ import annotations

import functools
import inspect
import math
import numbers

import keras
import tensorflow as tf

from tfvae.distribute import as_seed, fold_in
from tfvae.distributions.elbo import EvidenceLowerBound
from tfvae.distributions.evidence import no_evidence, reported_terms
from tfvae.distributions.supports import support_of
from tfvae.distributions.types import ObjectiveOutput, VAEOutput
from tfvae.errors import UserError, unknown_name
from tfvae.objectives.checks import checked_output
from tfvae.objectives.scheduled_number import ScheduledNumber
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.schedules import Schedule

__all__ = ["Objective"]

KL_METHODS = ("auto", "analytic", "monte_carlo")
PLAIN = (numbers.Number, str, Schedule, type(None))  # what a compiled step holds as a constant


class Objective(keras.layers.Layer):
    """Base of the objectives: from data and the model's output to a loss per example.

    A concrete objective defines `call`. It reads nothing but `x` and the output, so it works with
    every latent structure. It may own weights. What `call` returns is checked when it is traced.
    Numbers that may follow the step are class attributes, `ScheduledNumber`: these are logged and
    saved.

    Args:
        samples: K, the number of posterior samples per example; None for one sample without an
            axis of its own.
        kl: How the rate is computed: `"auto"` (analytic where tfp registers the pair, Monte Carlo
            otherwise), `"analytic"` or `"monte_carlo"`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Attributes:
        examples: N, size of the training set, for an objective that `needs_examples`: what was
            assigned, else what the latest `fit` counted; None where it is unknown.
        needs_examples: Whether `fit` has to count the training set: here, no.

    Example:
        An objective of one's own: the ELBO and, weighed by `strength`, the maximum mean
        discrepancy of the batch's codes and draws of the prior.

        >>> @keras.saving.register_keras_serializable(package="mine")
        ... class MMD(tfvae.objectives.Objective):
        ...     strength = tfvae.objectives.ScheduledNumber(low=0.0)
        ...
        ...     def __init__(self, strength=10.0, **kwargs):
        ...         super().__init__(**kwargs)
        ...         self.strength = strength
        ...
        ...     def call(self, x, output, *, step=0, seed=None):
        ...         bound = tfvae.distributions.elbo(x, output)
        ...         latent = output.latents[0]
        ...         draws = latent.prior.sample(tf.shape(latent.z)[0], seed=seed)
        ...
        ...         def kernel(a, b):  # the mean over all pairs
        ...             squares = tf.reduce_sum((a[:, None] - b) ** 2, axis=-1)
        ...             return tf.reduce_mean(tf.exp(-squares / a.shape[-1]))
        ...
        ...         z = latent.z
        ...         mmd = kernel(z, z) + kernel(draws, draws) - 2 * kernel(z, draws)
        ...         mmd = tf.fill(tf.shape(x)[:1], mmd)  # of the batch: for each of its examples
        ...         terms = {**self.elbo_terms(x, output, bound), "mmd": mmd}
        ...         return tfvae.ObjectiveOutput(-bound.elbo + self.strength(step) * mmd, terms)
        >>> model = tfvae.VAE(encoder, decoder, objective=MMD(strength=100.0))
    """

    needs_examples = False

    def __init__(
        self, *, samples: int | None = None, kl: str = "auto", **kwargs: Unpack[LayerOptions]
    ):
        kwargs.setdefault("dtype", keras.config.dtype_policy().variable_dtype)
        super().__init__(**kwargs)
        if kl not in KL_METHODS:
            raise unknown_name("kl", kl, KL_METHODS)
        self.samples = samples
        self.kl = kl
        self._examples: int | None = None
        self.counted_examples: int | None = None  # set by fit

    @property
    def examples(self) -> int | None:
        """N, size of the training set: what was assigned, else what the latest `fit` counted."""
        return self.counted_examples if self._examples is None else self._examples

    @examples.setter
    def examples(self, examples: int | None) -> None:
        if examples is not None and (examples != int(examples) or examples < 1):
            raise UserError(f"examples takes an integer from 1, got {examples!r}")
        self._examples = None if examples is None else int(examples)

    def __setattr__(self, name: str, value) -> None:
        before = vars(self).get(name)
        super().__setattr__(name, value)
        follows = _is_scheduled(inspect.getattr_static(type(self), name, None))
        changed = isinstance(value, PLAIN) and not (isinstance(before, PLAIN) and before == value)
        if follows or (changed and name != "built"):
            vars(self)["_assigned"] = vars(self).get("_assigned", 0) + 1

    @property
    def assigned(self) -> int:
        """How often a number of this objective was assigned.

        A compiled step holds the numbers as constants: it is compiled anew after an assignment.
        """
        return vars(self).get("_assigned", 0)

    def __call__(
        self,
        x: tf.Tensor,
        output: VAEOutput,
        *,
        step=0,
        weights: tf.Tensor | None = None,
        target: tf.Tensor | None = None,
        seed: tf.Tensor | None = None,
    ) -> ObjectiveOutput:
        """Computes the loss, see `call`, and checks it.

        Keras's own `__call__` is passed by: a distribution cannot go through it.

        Args:
            x: Data, `[batch, *event]`.
            output: What the model returned for it.
            step: Training steps taken so far.
            weights: Sample weights, `[batch]`; handed to a `call` that takes them.
            target: What stands beside x in the data, `[batch, ...]`, for a `call` that takes it.
            seed: Stateless seed, for a `call` that takes one; None: one that the step determines.

        Returns:
            What `call` returned.

        Raises:
            UserError: If that is not a loss and named terms of shape `[batch]`, or there is no
                target and `call` takes one.
        """
        given = {"weights": weights} if _takes(type(self), "weights") else {}
        if _takes(type(self), "seed"):
            given["seed"] = fold_in(as_seed(0), step) if seed is None else seed
        if self.takes_target:
            if target is None:
                raise UserError(
                    f"{type(self).__name__} takes a target beside x: give fit(x, y), or data of "
                    "(x, y)"
                )
            given["target"] = target
        returned = self.call(x, output, step=step, **given)
        return checked_output(type(self).__name__, tf.convert_to_tensor(x), output, returned)

    def call(
        self, x: tf.Tensor, output: VAEOutput, *, step=0, weights: tf.Tensor | None = None
    ) -> ObjectiveOutput:
        """Computes the loss of a batch.

        The training step weighs and averages what this returns. So an objective needs the weights
        only for a statistic across the batch, such as a mean rate that is held against a target;
        one without such statistics may leave the argument out.

        A `call` that has an argument `target` gets what stands beside x in the data: labels for a
        supervised head, say. `fit(x, y)` then hands y to it, and not to the networks as a context.
        When weights are made it is zeros of float32.

        A `call` that has an argument `seed` gets a stateless seed of the batch, the same on all
        replicas, for noise of its own such as draws of the prior.

        Args:
            x: Data, `[batch, *event]`.
            output: What the model returned for it, with K samples if `samples` is K.
            step: Training steps taken so far, for schedules.
            weights: Sample weights, `[batch]`; None: all are 1.

        Returns:
            Loss and named terms per example, in nats, not weighted.
        """
        raise NotImplementedError(f"{type(self).__name__} has to define call(x, output, step=0)")

    @property
    def takes_target(self) -> bool:
        """Whether `call` has the argument `target`: y of the data is then no context."""
        return "target" in inspect.signature(type(self).call).parameters

    @property
    def per_example(self) -> bool:
        """Whether an example's loss depends on no other one of the batch; by default unknown."""
        return False

    def gate(self, z: tf.Tensor) -> tuple[tf.Tensor, list | None]:
        """What every draw of z passes before anything else sees it; by default unchanged.

        An objective whose gradient differs for encoder and decoder overrides it; the value stays.

        Args:
            z: A draw of the posterior.

        Returns:
            The same values, and what becomes `gradient_weights` of their `Latent`.
        """
        return z, None

    @property
    def directions(self) -> dict[str, str]:
        """Which way terms get better, `"max"` or `"min"`, for callbacks that monitor them."""
        better = dict.fromkeys(("elbo", "log_joint", "accuracy"), "max")
        return {**better, "distortion": "min", "energy": "min", "bits_per_dim": "min"}

    @property
    def own_weights(self) -> list:
        """Weights that the objective trains by itself, in `update`; by default none."""
        return []

    def accumulate(self, batches: int | None) -> None:
        """Takes note of how the model's optimizer accumulates gradients; `compile` says so.

        An objective with an optimizer of its own follows, so that the two take equally many steps.

        Args:
            batches: How many batches an update is made of; None: each batch is one.
        """

    def own_terms(
        self, x: tf.Tensor, output: VAEOutput, *, seed, weights: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """What is logged of a second loss, which `update` minimises; by default nothing.

        Args:
            x: Data, `[batch, *event]`.
            output: What the model returned for it.
            seed: Stateless seed, the same on all replicas.
            weights: Sample weights, `[batch]`; None: all are 1.

        Returns:
            Terms per example, `[batch]` each.
        """
        return {}

    def update(
        self,
        x: tf.Tensor,
        output: VAEOutput,
        *,
        step=0,
        seed=None,
        weights: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        """A second step of training on the same batch, after the model's; by default nothing.

        Args:
            x: Data, `[batch, *event]`.
            output: What the model returned for it in the step.
            step: Training steps taken so far.
            seed: Stateless seed of the step, the same on all replicas.
            weights: Sample weights, `[batch]`; None: all are 1.

        Returns:
            `own_terms`, as they were before the step.
        """
        return {}

    @staticmethod
    def elbo_terms(
        x: tf.Tensor, output: VAEOutput, bound: EvidenceLowerBound
    ) -> dict[str, tf.Tensor]:
        """The terms that every objective reports.

        Args:
            x: Data, `[batch, *event]`.
            output: What the model returned for it.
            bound: What `tfvae.distributions.elbo` gives for the two.

        Returns:
            `elbo`, `distortion`, `rate` in nats, and `bits_per_dim` where the data are discrete; of
            a model without a bound of log p(x), what `tfvae.distributions.evidence` names.
        """
        terms = reported_terms(output, bound)
        if no_evidence(output) is not None:
            return terms
        symbols = support_of(output.likelihood).symbols(x.shape[1:])
        if symbols is not None:
            terms["bits_per_dim"] = -bound.elbo / (symbols * math.log(2.0))
        return terms

    def scheduled(self, step) -> dict[str, tf.Tensor]:
        """The numbers that schedules give at a step, by name: they are logged.

        Args:
            step: Training steps taken so far.

        Returns:
            Scalars by the name of the attribute that holds the schedule.
        """
        schedules = {k: v for k, v in vars(self).items() if isinstance(v, Schedule)}
        return {name: schedule(step) for name, schedule in sorted(schedules.items())}

    def get_config(self) -> dict:
        """Configuration for saving, with every `ScheduledNumber`."""
        classes = reversed(type(self).__mro__)
        names = {n: None for c in classes for n, v in vars(c).items() if _is_scheduled(v)}
        scheduled = {n: keras.saving.serialize_keras_object(getattr(self, n)) for n in names}
        return {**super().get_config(), "samples": self.samples, "kl": self.kl, **scheduled}

    def get_build_config(self) -> None:
        """Returns nothing: an objective makes its weights at the first output, also when loaded."""
        return None

    @classmethod
    def from_config(cls, config: dict) -> Objective:
        """Makes the objective of its configuration."""
        config = {
            k: keras.saving.deserialize_keras_object(v)
            if isinstance(v, dict) and "class_name" in v
            else v
            for k, v in config.items()
        }
        return cls(**config)


def _is_scheduled(attribute) -> bool:
    return isinstance(attribute, ScheduledNumber)


@functools.cache
def _takes(objective: type[Objective], name: str) -> bool:
    """Whether the `call` of an objective has an argument."""
    parameters = inspect.signature(objective.call).parameters.values()
    return any(p.name == name or p.kind is p.VAR_KEYWORD for p in parameters)
