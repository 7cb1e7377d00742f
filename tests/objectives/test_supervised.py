import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf

import tfvae
from tfvae import layers, objectives
from tfvae.objectives import ELBO, IWAE, FactorVAE, Supervised
from tfvae.schedules import Linear

LABELS = np.where(np.arange(40) % 4 == 3, -1, np.arange(40) % 3)  # one of four is missing
THERE = LABELS >= 0
NOTHING = {"units": []}  # the head is one linear map


def logits(objective, z):
    kernel, bias = objective.head.layers[1].get_weights()
    return np.float64(z) @ kernel + bias


@pytest.mark.parametrize("beside", [None, lambda: IWAE(3)], ids=["elbo", "iwae"])
def test_the_loss_is_that_of_the_objective_and_the_likelihood_of_the_labels(
    make_vae, binary, beside
):
    inner = beside and beside()
    objective = Supervised(classes=3, label_weight=Linear(0, 5, 10), objective=inner, **NOTHING)
    vae = make_vae(objective=objective, built=False)
    vae.build((None, 3, 2, 1), (None,))
    output = vae(binary, samples=objective.samples, seed=0)
    loss, terms = objective(binary, output, step=5, target=LABELS)
    z = np.float64(output.latents[0].z)
    log_p = scipy.special.log_softmax(logits(objective, z), axis=-1)
    log_p = np.where(THERE, np.take_along_axis(log_p, LABELS[:, None] * np.ones([*z.shape[:-1], 1],
        int), -1)[..., 0], 0.0)  # fmt: skip
    right = np.argmax(logits(objective, z), -1) == LABELS
    if inner is not None:
        log_p, right = log_p.mean(0), right.mean(0)
    alone = (inner or ELBO())(binary, output, step=5)
    np.testing.assert_allclose(loss, alone.loss - 2.5 * log_p, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(terms["label_loss"].values, -log_p, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(terms["accuracy"].values[THERE], right[THERE])
    for name in ("label_loss", "accuracy"):
        np.testing.assert_array_equal(terms[name].counts, THERE)
    np.testing.assert_allclose(terms["elbo"], alone.terms["elbo"])


def test_means_are_over_the_examples_with_a_label(make_vae, binary):
    """Uneven batches, weights, a batch without any label; in training, and in evaluation."""
    labels = np.where(np.arange(40) < 32, LABELS, -1)
    weights = np.random.default_rng(0).choice(np.float32([0.5, 1.0, 2.0]), 40)
    vae = make_vae(objective=Supervised(classes=3, **NOTHING), built=False)
    vae.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    data = tf.data.Dataset.from_tensor_slices((binary, labels, weights)).batch(16)
    history = vae.fit(data, verbose=0).history
    seeds = [tfvae.distribute.replica_seed(0, step) for step in range(3)]
    z = [vae(binary[16 * i :][:16], seed=seed).latents[0].z for i, seed in enumerate(seeds)]
    right = np.argmax(logits(vae.objective, np.concatenate(z)), -1) == labels
    truth = np.average(right[labels >= 0], weights=weights[labels >= 0])
    assert history["accuracy"] == pytest.approx([truth], rel=1e-5)
    logs = vae.evaluate(data, verbose=0, return_dict=True)
    assert 0 < logs["accuracy"] < 1
    unlabelled = vae.evaluate(binary, np.full(40, -1), verbose=0, return_dict=True)
    assert unlabelled["loss"] == pytest.approx(-unlabelled["elbo"], rel=1e-6)


def test_a_head_over_real_numbers_leaves_out_nan(make_vae, binary):
    y = np.random.default_rng(1).normal(size=(40, 1)).astype(np.float32)
    y[5] = np.nan
    head = keras.Sequential([keras.layers.Dense(1), layers.IndependentNormal((), scale=0.5)])
    for target in (y, y[:, 0]):
        vae = make_vae(objective=Supervised(head), built=False)
        vae.build((None, 3, 2, 1), (None, *target.shape[1:]))
        output = vae(binary, seed=0)
        with tf.GradientTape() as tape:
            loss, terms = vae.objective(binary, output, target=target)
        kernel, bias = head.layers[0].get_weights()
        r = (y - output.latents[0].z @ kernel - bias)[:, 0] / 0.5
        truth = -0.5 * r**2 - np.log(0.5 * np.sqrt(2 * np.pi))
        np.testing.assert_allclose(
            loss + terms["elbo"], -np.where(np.isnan(truth), 0.0, truth), rtol=1e-4, atol=1e-4
        )
        assert np.isfinite(tape.gradient(loss, head.layers[0].kernel)).all()
        assert "accuracy" not in terms


def test_the_second_step_of_the_objective_beside_the_head_takes_place(make_vae, binary):
    vae = make_vae(objective=Supervised(classes=3, objective=FactorVAE(units=[4])), built=False)
    vae.compile("adam", run_eagerly=True)
    logs = vae.fit(binary, LABELS, verbose=0).history
    assert {"gamma", "label_weight", "discriminator_loss", "accuracy"} <= set(logs)
    assert int(vae.objective.optimizer.iterations) == 2
    before = vae.objective.assigned
    vae.objective.objective.gamma = 3.0
    assert vae.objective.assigned > before


def test_groups_stand_side_by_side_in_front_of_the_head(binary):
    vae = tfvae.recipes.two_layer_vae(
        (3, 2, 1), 2, hidden=(8,), upper_hidden=(8,), objective=Supervised(classes=3, **NOTHING)
    )
    vae.build((None, 3, 2, 1), (None,))
    output = vae(binary, seed=0)
    z = tuple(latent.z for latent in output.latents)
    truth = logits(vae.objective, np.concatenate(z, axis=1))
    np.testing.assert_array_equal(vae.objective.labels(z).mode(), truth.argmax(1))
    terms = vae.objective(binary, output, target=LABELS).terms
    right = (truth.argmax(1) == LABELS)[THERE]
    np.testing.assert_array_equal(terms["accuracy"].values[THERE], right)


def test_what_cannot_be_is_refused(make_vae, binary):
    vae = make_vae(objective=Supervised(classes=3), built=False)
    vae.compile("adam")
    with pytest.raises(tfvae.UserError, match="takes a target beside x"):
        vae.fit(binary, verbose=0)
    vae.build((None, 3, 2, 1), (None,))
    output = vae(binary)
    for labels, words in [
        (LABELS + 1, "takes the labels 0 to 2, and -1 for one that is missing, and got 3"),
        (LABELS - 1, "and got -2"),
        (LABELS + 0.5, "and got 0.5"),
        (np.eye(3)[LABELS], r"labels of shape \[batch\], got the shape \(40, 3\)"),
    ]:
        with pytest.raises(tfvae.UserError, match=words):
            vae.objective(binary, output, target=labels)
    with pytest.raises(tfvae.UserError, match="takes the labels 0 to 2"):
        vae.fit(binary, np.full(40, 3), verbose=0)
    vae = make_vae(objective=Supervised(objective=IWAE(2, gradient="dreg")), built=False)
    with pytest.raises(tfvae.UserError, match="give it the plain gradient"):
        vae.build((None, 3, 2, 1), (None,))
    with pytest.raises(tfvae.UserError, match="take a posterior of real numbers"):
        tfvae.recipes.vq_vae((8, 8, 1), network="mlp", objective=Supervised()).build(
            (1, 8, 8, 1), (1,)
        )
    for argument in ({"head": "dense"}, {"objective": "elbo"}):
        with pytest.raises(tfvae.UserError, match=next(iter(argument))):
            objectives.Supervised(**argument)
