"""The moving mean of the weights in a run: where it stands in for the weights, and where not."""

from __future__ import annotations

import keras
import tensorflow as tf

__all__ = ["KeepsTheWeights", "averaging", "take_the_mean"]


class KeepsTheWeights(keras.callbacks.Callback):
    """Gives the model its weights back after `fit`: Keras replaces them by the mean.

    A run may take several calls of `fit`, and one that goes on later takes the weights themselves.
    """

    def on_train_begin(self, logs=None):
        """Nothing is kept yet."""
        self._kept = None

    def on_epoch_end(self, epoch, logs=None):
        """Notes the weights, in case this epoch is the last."""
        self._kept = [tf.identity(w.value) for w in self.model.trainable_variables]

    def on_train_end(self, logs=None):
        """Puts them back."""
        for variable, value in zip(self.model.trainable_variables, self._kept or (), strict=False):
            variable.assign(value)
        self._kept = None


def averaging(momentum: float | None) -> list[keras.callbacks.Callback]:
    """The callbacks of a training whose optimizer keeps a moving mean of the weights.

    Validation looks at the mean; the step, the checkpoints and TensorBoard's figures look at the
    weights, and the mean is saved with the optimizer's state.

    Args:
        momentum: `config.ema_momentum`; None: there is no mean.

    Returns:
        The callbacks.
    """
    if momentum is None:
        return []
    return [keras.callbacks.SwapEMAWeights(), KeepsTheWeights()]


def take_the_mean(model: keras.Model) -> None:
    """Puts the mean in place of the weights, for good: the training is over.

    Args:
        model: The trained model, whose optimizer has `use_ema`.
    """
    model.optimizer.finalize_variable_values(model.trainable_variables)
