"""`fit(x, y)` where y is no context: an objective that takes it as its target."""

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf

import tfvae
from tfvae.evaluation import evaluate_likelihood


@keras.saving.register_keras_serializable(package="test_target")
class Supervised(tfvae.objectives.Objective):
    """The ELBO, and the cross-entropy of a linear classifier on the posterior's mean."""

    per_example = True

    def __init__(self, classes=3, **kwargs):
        super().__init__(**kwargs)
        self.classes = classes
        self.head = keras.layers.Dense(classes)

    def call(self, x, output, *, step=0, target=None):
        bound = tfvae.distributions.elbo(x, output)
        logits = self.head(output.latents[0].posterior.mean())
        entropy = keras.losses.sparse_categorical_crossentropy(target, logits, from_logits=True)
        terms = {**self.elbo_terms(x, output, bound), "cross_entropy": entropy}
        return tfvae.ObjectiveOutput(10.0 * entropy - bound.elbo, terms)

    def get_config(self):
        return {**super().get_config(), "classes": self.classes}


LABELS = np.arange(40) % 3


def begin(make_vae, rate=0.1, **options):
    vae = make_vae(objective=Supervised(), built=False)
    vae.compile(keras.optimizers.SGD(rate), **options)
    return vae


def test_the_objective_gets_y_and_the_networks_do_not(make_vae, binary, tmp_path):
    vae = begin(make_vae, rate=0.0)
    logs = vae.fit(binary, LABELS, verbose=0, validation_data=(binary[:7], LABELS[:7])).history
    kernel, bias = vae.objective.head.get_weights()
    logits = vae.encode(binary).mean().numpy() @ kernel + bias
    truth = -scipy.special.log_softmax(logits, axis=1)[np.arange(40), LABELS]
    assert logs["cross_entropy"] == pytest.approx([truth.mean()], rel=1e-5)
    assert logs["val_cross_entropy"] == pytest.approx([truth[:7].mean()], rel=1e-5)
    assert logs["loss"][0] == pytest.approx(10 * truth.mean() - logs["elbo"][0], rel=1e-5)
    vae.save(tmp_path / "m.keras")
    same = tfvae.load(tmp_path / "m.keras")
    data = tf.data.Dataset.from_tensor_slices((binary, LABELS)).batch(16)
    evaluated = [v.evaluate(data, verbose=0, return_dict=True) for v in (vae, same)]
    assert evaluated[0] == evaluated[1]
    # What knows of no target takes the same data.
    assert vae.predict(data, verbose=0)["z"].shape == (40, 2)
    assert evaluate_likelihood(vae, data, samples=2)["examples"] == 40


@pytest.mark.parametrize("options", [{}, {"branches": 2}], ids=str)
def test_the_head_learns(make_vae, binary, options):
    vae = begin(make_vae, 0.03, **options)
    labels = binary[:, 0, 0, 0].astype(int)
    data = tf.data.Dataset.from_tensor_slices((binary, labels)).batch(20).repeat(60)
    first = vae.fit(data.take(2), verbose=0).history["cross_entropy"][0]
    vae.fit(data, verbose=0)
    last = vae.evaluate(data.take(2), verbose=0, return_dict=True)["cross_entropy"]
    assert last < 0.5 * first


def test_without_a_target_it_is_refused(make_vae, binary):
    with pytest.raises(
        tfvae.UserError, match=r"Supervised takes a target beside x: give fit\(x, y"
    ):
        begin(make_vae).fit(binary, verbose=0)


def test_labels_that_nobody_takes_are_refused_with_the_ways_to_take_them(make_vae, binary):
    vae = make_vae(built=False)
    vae.compile("sgd")
    with pytest.raises(tfvae.UserError, match="conditioner, or the model an objective whose"):
        vae.fit(binary, LABELS, verbose=0)
