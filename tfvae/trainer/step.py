"""One step of training on a batch, or of evaluation: loss, gradients, update, logs."""

from __future__ import annotations

import tensorflow as tf

from tfvae.distribute import as_seed, batch_mean, fold_in, replica_seed
from tfvae.distribute.updates import apply_gradients
from tfvae.distributions.keras_compat import batches_counter
from tfvae.distributions.supports import support_of
from tfvae.distributions.types import OfSome, VAEOutput
from tfvae.errors import UserError
from tfvae.latents.example_weights import example_weights
from tfvae.objectives.checks import checked_terms
from tfvae.trainer.branches import parts_of
from tfvae.trainer.clipping import clipped_together

__all__ = ["Step", "checked", "terms_of_latents"]


class Step:
    """What a model does with a batch, of which each replica has its part.

    All noise is a function of (seed, batch, replica): of the batches that the optimizer has seen,
    not of its updates, which stand still while gradients are accumulated. Schedules are functions
    of the updates.

    Args:
        model: A model with an objective.
    """

    def __init__(self, model):
        self.model = model

    @property
    def batches(self) -> tf.Tensor:
        """Batches that the model was trained on; 0 before it is compiled."""
        if self.model.optimizer is None:
            return tf.constant(0)
        return tf.convert_to_tensor(batches_counter(self.model.optimizer))

    @property
    def _common_seed(self) -> tf.Tensor:
        """Seed of the objective's own noise: the same on all replicas, which share one batch."""
        return fold_in(fold_in(as_seed(self.model.seed), self.batches), 1)

    @property
    def objective_seed(self) -> tf.Tensor:
        """Of the noise in the objective's loss; its second loss has `_common_seed` itself."""
        return fold_in(self._common_seed, 1)

    def parts(self, data) -> list[tuple]:
        """What the next training step computes side by side, and with which noise.

        Args:
            data: A batch; on several replicas, this replica's part.

        Returns:
            For each part: its data, its share of the examples and its stateless seed.
        """
        seed = replica_seed(self.model.seed, self.batches)
        several = self.model.distribute_strategy.num_replicas_in_sync > 1
        branches = 1 if several else self.model.branches
        return [
            (part, share, fold_in(seed, i) if i else seed)
            for i, (part, share) in enumerate(parts_of(data, branches))
        ]

    def train(self, data) -> None:
        """Takes one step of the optimizer on a batch, and one of the objective's own if any.

        Args:
            data: As in `parts`.
        """
        model = self.model
        step, common_seed, own_seed = model.step, self._common_seed, self.objective_seed
        losses, gradients, outside = [], [], []
        kept = model.guard.kept(model) if model.guard is not None else ()
        parts = self.parts(data)
        for part, share, seed in parts:
            with tf.GradientTape() as tape:
                loss, x, output = self._loss(part, seed, own_seed, training=True)
                losses.append(loss)
                outside.append(_outside(x, output))
                loss = model.optimizer.scale_loss(loss if len(parts) == 1 else share * loss)
            weights = (
                model.trainable_weights
            )  # read here: a first `train_on_batch` makes them above
            gradients.append(tape.gradient(loss, weights))
        gradients = _added(gradients)
        model.outside.update_state(tf.add_n(outside))

        def update(gradients):
            gradients = clipped_together(model.optimizer, gradients)
            apply_gradients(model.optimizer, gradients, weights)

        if model.guard is None:
            update(gradients)
        else:
            done = model.guard.apply(model, losses, gradients, update)
        own = model.objective.update(
            x, output, step=step, seed=common_seed, weights=model.inputs_of(data).weights
        )
        self._log_own(own, x, data)
        if kept:
            model.guard.restore(done, kept)

    def test(self, data) -> None:
        """Computes the same terms as in training, with noise that is the same at each evaluation.

        Args:
            data: As in `parts`.
        """
        model = self.model
        seen = tf.convert_to_tensor(model.terms.counts)[0]
        seed = fold_in(replica_seed(model.seed, self.batches), seen)
        _, x, output = self._loss(data, seed, self.objective_seed, training=False)
        model.outside.update_state(_outside(x, output))
        own = model.objective.own_terms(
            x, output, seed=self._common_seed, weights=model.inputs_of(data).weights
        )
        self._log_own(own, x, data)

    def _loss(self, data, seed, own_seed, training: bool) -> tuple[tf.Tensor, tf.Tensor, VAEOutput]:
        """This replica's share of the loss of a batch; the terms are added to the metrics."""
        model = self.model
        x, context, weights, target = model.inputs_of(data)
        with example_weights(weights):
            output = model(
                x, context=context, samples=model.objective.samples, training=training, seed=seed
            )
        # Right behind the call: what comes next may change replicas, and all share one list.
        added = list(model.losses)
        loss, terms = model.objective(
            x,
            output,
            step=model.step,
            weights=weights,
            target=target,
            seed=own_seed,
        )
        penalties = [latent.penalty for latent in output.latents if latent.penalty is not None]
        loss = tf.add_n([loss, *penalties])
        share = batch_mean(loss, weights)
        count = tf.cast(tf.size(loss), loss.dtype)
        totals, counts = _sums({"loss": loss, **terms, **terms_of_latents(x, output)}, weights)
        if added:  # of regularizers and add_loss
            added = tf.cast(tf.add_n(added), loss.dtype)
            share += added / model.distribute_strategy.num_replicas_in_sync
            totals["loss"] += added * count
        model.terms.update_state(totals, {**counts, "loss": count})
        return share, x, output

    def _log_own(self, terms: dict, x: tf.Tensor, data) -> None:
        """Adds the terms of the objective's second loss on a batch to the metrics."""
        if terms:
            terms = checked_terms(type(self.model.objective).__name__, x, terms)
            self.model.terms.update_state(*_sums(terms, self.model.inputs_of(data).weights))


def checked(model):
    """The `train_step` of a model; one that leaves out what the model was asked to do is refused.

    A subclass may define a `train_step` of its own. It gets ordinary batches, and everything works
    where it calls `super().train_step(data)`. Where it does not, branches, the watch over steps
    that are not finite and the objective's own training would silently not take place.

    Args:
        model: A model with an objective.

    Returns:
        A function of a batch that returns logs.
    """

    def step(data):
        model.steps_traced = 0
        logs = model.train_step(data)
        own = type(model.objective).__name__
        for asked, what in [
            (model.branches > 1, f"branches={model.branches}"),
            (model.guard is not None, "FiniteSteps"),
            (model.objective.own_weights, f"the training that {own} does by itself"),
        ]:
            if asked and not model.steps_traced:
                raise UserError(
                    f"{what} is part of VAE.train_step, and {type(model).__name__}.train_step "
                    "does not call super().train_step(data): call it, or leave that out"
                )
        return logs

    return step


def terms_of_latents(x: tf.Tensor, output: VAEOutput) -> dict[str, tf.Tensor | OfSome]:
    """What the latent groups have to log beside the objective's terms, checked as those are."""
    found = {}
    for latent in output.latents:
        found |= checked_terms("the latent structure", x, latent.terms or {})
    return found


def _outside(x: tf.Tensor, output: VAEOutput) -> tf.Tensor:
    """How many examples of a batch hold values that the likelihood gives no density to."""
    return tf.math.count_nonzero(support_of(output.likelihood).outside(x), dtype=tf.float32)


def _sums(terms: dict, weights) -> tuple[dict, dict]:
    """The weighted sum of each term over the batch, and the sum of the weights, by name."""
    first = tf.nest.flatten(terms)[0]
    weights = tf.ones_like(first) if weights is None else tf.cast(weights, first.dtype)
    totals, counts = {}, {}
    everyone = tf.reduce_sum(weights)
    for name, term in terms.items():
        some = isinstance(term, OfSome)
        share = weights * tf.cast(term.counts, first.dtype) if some else weights
        totals[name] = tf.reduce_sum((term.values if some else term) * share)
        counts[name] = tf.reduce_sum(share) if some else everyone
    return totals, counts


def _added(gradients: list[list]) -> list:
    """The sums of several gradients; None where a weight has none."""
    if len(gradients) == 1:
        return gradients[0]
    return [
        None if parts[0] is None else tf.add_n([tf.convert_to_tensor(part) for part in parts])
        for parts in zip(*gradients, strict=True)
    ]
