"""Where a step became NaN: the step done once more, eagerly, with a look at every layer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import tensorflow as tf

from tfvae.distribute import batch_mean
from tfvae.distributions.keras_compat import layer_method_replaced
from tfvae.distributions.types import OfSome
from tfvae.trainer.step import Step

__all__ = ["diagnose"]


def diagnose(vae, batch) -> str:
    """Says what is not finite in the training step that comes next, with the noise it will have.

    On several replicas the batch stays whole here, with noise of its own.

    Args:
        vae: The model, with the weights before the step.
        batch: The step's data.

    Returns:
        The term of the objective and the first layer, or the gradient of a weight, in words.
    """
    gradients = []
    for part, _, seed in Step(vae).parts(batch):
        said, gradients_of_part = _forward(vae, part, seed)
        if said:
            return ", ".join(said)
        gradients.append(gradients_of_part())
    weights = vae.trainable_weights
    # The backward pass reaches the last layers first.
    bad = [w.path for w, *g in zip(weights, *gradients, strict=True) if not _finite(g)]
    if bad:
        return f"the loss is finite, and the gradient is not, first in {bad[-1]}"
    return "done once more on one device, it is finite"


def _forward(vae, data, seed) -> tuple[list[str], Callable[[], list]]:
    """What is not finite in the loss of a part of the batch, in words; and its gradients."""
    x, context, weights, target = vae.inputs_of(data)
    with _watched() as found, tf.GradientTape() as tape:
        output = vae(x, context=context, samples=vae.objective.samples, training=True, seed=seed)
        added = list(vae.losses)  # of regularizers and add_loss
        loss, terms = vae.objective(
            x,
            output,
            step=vae.step,
            weights=weights,
            target=target,
            seed=Step(vae).objective_seed,
        )
        penalties = [latent.penalty for latent in output.latents if latent.penalty is not None]
        total = batch_mean(tf.add_n([loss, *penalties]), weights)
        total = tf.add_n([total, *(tf.cast(one, total.dtype) for one in added)])
    # The ELBO is a sum of the other terms, which say more.
    bad = sorted((name for name, term in terms.items() if not _finite(term)), key="elbo".__eq__)
    said = [f"the term {name!r} is {float(_mean(terms[name])):.3g}" for name in bad[:1]]
    if found:
        said.append(f"the first layer whose output is not finite is {found[0]}")
    if not said and not _finite(total):
        said.append(f"the loss is {float(total):.3g} and all its terms are finite")
    return said, lambda: tape.gradient(total, vae.trainable_weights)


@contextlib.contextmanager
def _watched() -> Iterator[list[str]]:
    """Notes the layers whose output is not finite, inner ones first, while the block runs."""
    found: list[str] = []

    def make(call):
        def watched(layer, *args, **kwargs):
            output = call(layer, *args, **kwargs)
            if not found and not _finite(output):
                found.append(getattr(layer, "path", None) or layer.name)
            return output

        return watched

    with layer_method_replaced("__call__", make):
        yield found


def _mean(term: tf.Tensor | OfSome) -> tf.Tensor:
    return tf.reduce_mean(term.values if isinstance(term, OfSome) else term)


def _finite(output) -> bool:
    """Whether all floating-point numbers of a tensor, a distribution or a structure are finite."""
    leaves = tf.nest.flatten(output, expand_composites=True)
    return all(
        bool(tf.reduce_all(tf.math.is_finite(leaf)))
        for leaf in leaves
        if isinstance(leaf, tf.Tensor) and leaf.dtype.is_floating
    )
