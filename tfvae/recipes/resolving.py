"""From a name, a class or an object to the part of a model."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae import layers
from tfvae.distributions.supports import support_of
from tfvae.errors import UserError
from tfvae.objectives import ELBO, Objective
from tfvae.options import find
from tfvae.priors import Prior, ProductPrior, SphericalUniform, StandardNormal, WrappedNormal

tfd = tfp.distributions

__all__ = ["head_of", "objective_of", "prior_of", "uniform_of"]


def _made_of(kind: str, value: object) -> Callable:
    """The class of a name; a class or another callable as it is."""
    if isinstance(value, str):
        return find(kind, value).load()
    if not callable(value):
        raise UserError(
            f"{kind} takes a name, a class or an object, got {type(value).__name__} {value!r}"
        )
    return value


def _called(value: Callable) -> str:
    """What a message calls a class, or a part of one's call."""
    value = value.func if isinstance(value, functools.partial) else value
    return getattr(value, "__name__", repr(value))


def _check_complete(kind: str, make: Callable, event: str | None) -> None:
    """Refuses a class that needs more than the shape of its event, and is given by itself."""
    needed = [
        name
        for name, parameter in inspect.signature(make).parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    ]
    event = event or next(iter(needed), None)  # a function takes it first
    needed = [name for name in needed if name != event]
    if needed:
        arguments = ", ".join(f"{name}=..." for name in needed)
        raise UserError(
            f"{kind}: {_called(make)} needs {', '.join(needed)} as well: give "
            f"functools.partial(tfvae.layers.{_called(make)}, {arguments}), or the layer itself"
        )


def head_of(kind: str, value: object, shape: Sequence[int]) -> keras.layers.Layer:
    """The probability layer for events of a shape.

    Args:
        kind: `"likelihood"` or `"posterior"`.
        value: A name of that axis, a layer, or what makes one of the event's shape: a class, or
            `functools.partial` of one.
        shape: Shape of the event.

    Returns:
        The layer.

    Raises:
        UserError: If the name is unknown, or the layer's events have another shape.
    """
    shape = tuple(shape)
    if not isinstance(value, keras.layers.Layer):
        make = _made_of(kind, value)
        layer = make.func if isinstance(make, functools.partial) else make
        argument = getattr(layer, "event_argument", None)
        event = shape
        if argument == "event_size":
            if len(shape) != 1:
                raise UserError(
                    f"{kind}: {_called(make)} takes vectors, and the event has the shape {shape}"
                )
            event = shape[0]
        options = {argument: event} if argument else {}
        _check_complete(kind, make, argument)
        if kind == "posterior" and "reparameterize" in inspect.signature(make).parameters:
            options["reparameterize"] = True  # the gradient has to pass through its draws
        value = make(**options) if argument else make(event)
        if not isinstance(value, keras.layers.Layer):
            raise UserError(f"{kind}: {_called(make)} made {value!r}, which is no Keras layer")
    own = getattr(value, "event_shape", shape)
    if tuple(own) != shape:
        raise UserError(
            f"{kind}: the events of {value.name} have the shape {tuple(own)}, and those of this "
            f"model {shape}: give both the same one"
        )
    return value


def _given(kind: str, make: Callable, options: Mapping) -> dict:
    """Options that are not None, all of which a class has to take."""
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in inspect.signature(make).parameters:
            raise UserError(f"{name}: {_called(make)} does not take it as {kind}, leave it out")
    return given


def objective_of(value: object, **numbers) -> Objective:
    """The objective of a name, with the numbers that a recipe takes for it.

    Args:
        value: A name, a class, or an objective; None: the ELBO.
        **numbers: Arguments of the objective; None: its own.

    Returns:
        The objective.

    Raises:
        UserError: If the name is unknown, or the objective does not take a number that is given.
    """
    if not isinstance(value, Objective):
        make = ELBO if value is None else _made_of("objective", value)
        return make(**_given("objective", make, numbers))
    if given := [name for name, number in numbers.items() if number is not None]:
        raise UserError(
            f"{', '.join(given)}: the objective is made already, a {type(value).__name__}: give "
            "it there, and leave it out here"
        )
    return value


def prior_of(value: object, head: keras.layers.Layer, conditioner: keras.layers.Layer | None):
    """The prior of a name, fitted to the data and the context.

    Args:
        value: A name, a class, an object, or None.
        head: The likelihood, which says what values the data have.
        conditioner: Keras layer from the context to a vector, or None.

    Returns:
        The prior, or None.

    Raises:
        UserError: If the name is unknown, or the prior needs a context and there is none.
    """
    if not (isinstance(value, (str, functools.partial)) or inspect.isclass(value)):
        return value
    make = _made_of("prior", value)
    arguments = inspect.signature(make).parameters
    options = {}
    if "conditioner" in arguments:
        if conditioner is None:
            raise UserError(
                f"prior: {_called(make)} depends on a context, and this model has none: take "
                "conditional_vae, or give a conditioner"
            )
        options["conditioner"] = conditioner
    if "low" in arguments:
        options["low"], options["high"] = _range_of(head)
    return make(**options)


def uniform_of(head: keras.layers.Layer) -> Prior | tfd.Distribution | None:
    """The prior of a posterior that is not on all real numbers: uniform, or on its ball.

    A density on the sphere, the simplex or between 0 and 1 has no KL from one on the space
    around it.

    Args:
        head: The posterior's layer.

    Returns:
        The prior, or None where the standard normal has the posterior's support.
    """
    event = getattr(head, "event_shape", None)
    if isinstance(head, layers.Product):
        return ProductPrior([uniform_of(p) or StandardNormal(p.event_shape) for p in head.parts])
    if isinstance(head, (layers.VonMisesFisher, layers.PowerSpherical)):
        return SphericalUniform(event)
    if isinstance(head, layers.PoincareNormal):
        return WrappedNormal(curvature=head.curvature)
    if isinstance(head, layers.RelaxedBernoulli):
        zeros = tf.zeros(event)
        one = tfd.Bernoulli(zeros, dtype=tf.float32) if head.straight_through else None
        return tfd.Independent(one or tfd.Uniform(zeros, 1.0), len(event))
    if isinstance(head, layers.RelaxedOneHotCategorical):
        if head.straight_through:
            one = tfd.OneHotCategorical(logits=tf.zeros(event), dtype=tf.float32)
        else:
            one = tfd.Dirichlet(tf.ones(event))
        return tfd.Independent(one, len(event) - 1) if len(event) > 1 else one
    return None


def _range_of(head: keras.layers.Layer) -> tuple[float, float] | tuple[None, None]:
    """The smallest and the largest value that a likelihood takes; None where one is infinite."""
    again = type(head).from_config({**head.get_config(), "name": "range"})
    support = support_of(again(tf.zeros([1, head.params_size])))
    bounded = abs(support.low) < float("inf") and support.high < float("inf")
    return (float(support.low), float(support.high)) if bounded else (None, None)
