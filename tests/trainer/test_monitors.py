import keras
import pytest

import tfvae
from tfvae.objectives import ELBO, IWAE
from tfvae.trainer.monitors import give_directions

callbacks = keras.callbacks


class Falling(callbacks.Callback):
    """Makes the ELBO of every epoch worse than that of the one before."""

    def on_epoch_end(self, epoch, logs=None):
        logs["val_elbo"] = -10.0 - epoch


def test_callbacks_know_that_a_higher_elbo_is_better(make_vae, binary, tmp_path):
    vae = make_vae()
    vae.compile("sgd")
    stop = callbacks.EarlyStopping(monitor="val_elbo", patience=2)
    plateau = callbacks.ReduceLROnPlateau(monitor="val_elbo", patience=1, factor=0.1)
    file = str(tmp_path / "{epoch}.weights.h5")
    best = callbacks.ModelCheckpoint(
        file, monitor="val_elbo", save_best_only=True, save_weights_only=True
    )
    history = vae.fit(
        binary, validation_data=binary, batch_size=40, epochs=9, verbose=0,
        callbacks=[Falling(), stop, plateau, best],
    )  # fmt: skip
    assert len(history.epoch) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["1.weights.h5"]
    assert float(vae.optimizer.learning_rate) < 0.01


@pytest.mark.parametrize(
    ("objective", "monitor", "mode", "found"),
    [
        (ELBO, "elbo", "auto", "max"),
        (ELBO, "val_distortion", "auto", "min"),
        (ELBO, "val_bits_per_dim", "auto", "min"),
        (IWAE, "val_iwae_bound", "auto", "max"),
        (ELBO, "val_elbo", "min", "min"),
        (ELBO, "val_loss", "auto", "auto"),
        (ELBO, "val_rate", "auto", "auto"),
        (ELBO, "val_iwae_bound", "auto", "auto"),
    ],
)
def test_the_mode_is_the_terms_where_it_is_open(objective, monitor, mode, found):
    stop = callbacks.EarlyStopping(monitor=monitor, mode=mode)
    give_directions([callbacks.History(), [stop]], objective())
    assert stop.mode == found


def test_lists_of_keras_and_none_are_taken():
    stop = callbacks.EarlyStopping(monitor="val_elbo")
    give_directions(callbacks.CallbackList([stop]), ELBO())
    assert stop.mode == "max"
    give_directions(None, ELBO())
    give_directions(stop, ELBO())


def test_of_a_term_without_a_direction_keras_asks_for_the_mode(make_vae, binary):
    vae = make_vae()
    vae.compile("sgd")
    with pytest.raises(ValueError, match="mode='max'"):
        vae.fit(binary, verbose=0, callbacks=[callbacks.EarlyStopping(monitor="rate")])
    assert tfvae.objectives.Objective().directions["elbo"] == "max"
