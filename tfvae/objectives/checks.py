"""What an objective has to return, checked where it is called: once a trace."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from tfvae.distributions.evidence import reported
from tfvae.distributions.types import ObjectiveOutput, OfSome, VAEOutput
from tfvae.errors import UserError

__all__ = ["checked_output", "checked_terms"]


def checked_output(objective: str, x: tf.Tensor, output: VAEOutput, returned) -> ObjectiveOutput:
    """Refuses what would train or log something else than its author meant.

    A loss that is the mean over the batch trains alike, and every log of it is wrong by the size
    of the batch; a term of shape `[batch, 1]` would broadcast to `[batch, batch]`.

    Args:
        objective: Name of the objective's class.
        x: The data, `[batch, *event]`.
        output: What the model returned for it, which says what every objective reports.
        returned: What its `call` returned.

    Returns:
        The same, all of it tensors.

    Raises:
        UserError: If it is no `ObjectiveOutput`, a term that every objective reports is missing,
            or the loss or a term is not a floating-point tensor of shape `[batch]`.
    """
    if not isinstance(returned, ObjectiveOutput):
        raise UserError(
            f"{objective}.call returned {_described(returned)}: return "
            "tfvae.ObjectiveOutput(loss, terms), a loss and named terms of shape [batch]"
        )
    if not isinstance(returned.terms, Mapping):
        raise UserError(
            f"the terms of {objective} are {_described(returned.terms)}: give a dict of names and "
            "tensors of shape [batch]"
        )
    missing = [name for name in reported(output) if name not in returned.terms]
    if missing:
        raise UserError(
            f"the terms of {objective} have no {' and no '.join(map(repr, missing))}: add "
            "**self.elbo_terms(x, output, tfvae.distributions.elbo(x, output)) to them"
        )
    loss = _per_example(f"the loss of {objective}", x, returned.loss)
    return ObjectiveOutput(loss, checked_terms(objective, x, returned.terms))


def checked_terms(objective: str, x: tf.Tensor, terms: Mapping) -> dict[str, tf.Tensor | OfSome]:
    """Refuses terms that are no numbers per example.

    Args:
        objective: Name of the objective's class.
        x: The data, `[batch, *event]`.
        terms: Tensors of shape `[batch]` by name, or `OfSome` of two of them.

    Returns:
        The same terms, all of them tensors.

    Raises:
        UserError: If a name is no string, or a term not a floating-point tensor of that shape.
    """
    found = {}
    for name, term in terms.items():
        if not isinstance(name, str):
            raise UserError(f"a term of {objective} is named {name!r}: take a string")
        what = f"the term {name!r} of {objective}"
        if isinstance(term, OfSome):
            found[name] = OfSome(*(_per_example(what, x, part) for part in term))
        else:
            found[name] = _per_example(what, x, term)
    return found


def _per_example(what: str, x: tf.Tensor, value) -> tf.Tensor:
    batch = x.shape[0]
    try:
        value = tf.convert_to_tensor(value)
    except (TypeError, ValueError) as error:
        raise UserError(f"{what} is {_described(value)}: give a tensor of shape [batch]") from error
    if not value.dtype.is_floating:
        raise UserError(f"{what} is of type {value.dtype.name}: tf.cast it to float32")
    # If the length is known and the batch's is not, as with 1, it is not one number per example.
    fits = value.shape.rank == 1 and value.shape[0] in (None, batch)
    if value.shape.rank is not None and not fits:
        wanted = "[batch]" if batch is None else f"[batch], here [{batch}]"
        raise UserError(
            f"{what} has shape {list(value.shape)} and has to have shape {wanted}: one number per "
            "example, in nats, not their mean (a number of the whole batch stands for each of its "
            "examples: tf.fill(tf.shape(x)[:1], number))"
        )
    return value


def _described(value) -> str:
    if tf.is_tensor(value):
        return f"a tensor of shape {list(value.shape)}"
    return f"an object of type {type(value).__name__}"
