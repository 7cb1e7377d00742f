"""What `fit` shows of its progress."""

from __future__ import annotations

import keras

from tfvae.trainer.steps_per_call import batches_done

__all__ = ["ProgressBar"]


class ProgressBar(keras.callbacks.ProgbarLogger):
    """Keras's progress bar, which stays within the epoch with several steps in one call."""

    async_safe = True  # as Keras treats its own: no step waits for the screen

    def on_train_batch_end(self, batch, logs=None):
        """Moves the bar."""
        super().on_train_batch_end(batches_done(batch, self.target) - 1, logs)
