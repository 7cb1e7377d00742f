"""Which way the terms that callbacks monitor get better."""

from __future__ import annotations

import keras

from tfvae.objectives import Objective

__all__ = ["give_directions"]


def give_directions(callbacks, objective: Objective) -> None:
    """Sets the mode of callbacks that monitor a term and leave the mode to be inferred.

    Keras infers it for its own metrics alone, and raises for a name such as `val_elbo`.

    Args:
        callbacks: As `fit` takes them; those with `mode="auto"`, such as
            `keras.callbacks.EarlyStopping(monitor="val_elbo")`, get the mode of their term.
        objective: Says by `directions` which terms are to rise and which to fall.
    """
    callbacks = getattr(callbacks, "callbacks", callbacks)  # the callbacks inside a `CallbackList`
    for callback in keras.tree.flatten(callbacks or []):
        name = str(getattr(callback, "monitor", "")).removeprefix("val_")
        if getattr(callback, "mode", None) == "auto" and name in objective.directions:
            callback.mode = objective.directions[name]
