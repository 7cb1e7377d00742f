import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae.objectives import GECO


def test_the_multiplier_follows_the_moving_mean_of_the_constraint(make_vae, binary):
    """Three batches with weights, step by step in NumPy."""
    objective = GECO(0.5, rate=0.3, momentum=0.6)
    vae = make_vae(objective=objective)
    vae.compile(keras.optimizers.SGD(0.0))
    weights = np.random.default_rng(0).choice(np.float32([0.5, 1.0, 2.0]), 40)
    x = [binary[:15], binary[15:30], binary[30:]]
    shares = [weights[:15], weights[15:30], weights[30:]]
    log, moving, logged = 0.0, 0.0, []
    for step, (part, share) in enumerate(zip(x, shares, strict=True)):
        seed = tfvae.distribute.replica_seed(0, step)
        distortion = -np.float64(vae(part, seed=seed).likelihood.log_prob(part))
        constraint = np.average(distortion / 6 - 0.5, weights=share)
        logged += [np.exp(log)]
        moving = constraint if step == 0 else 0.6 * moving + 0.4 * constraint
        log += 0.3 * moving
    nothing = np.zeros((40, 0), np.float32)
    data = tf.data.Dataset.from_tensor_slices((binary, nothing, weights)).batch(15)
    logs = vae.fit(data, verbose=0).history
    assert float(objective.moving_constraint) == pytest.approx(moving, rel=1e-4)
    assert float(objective.log_multiplier) == pytest.approx(log, rel=1e-4)
    sums = [s.sum() for s in shares]
    assert logs["multiplier"][0] == pytest.approx(np.average(logged, weights=sums), rel=1e-4)
    assert abs(log) > 0.05


def test_the_loss_weighs_the_constraint(make_vae, binary):
    objective = GECO(0.5)
    vae = make_vae(objective=objective)
    objective.log_multiplier.assign(np.log(3.0))
    loss, terms = objective(binary, vae(binary, seed=1))
    truth = terms["rate"] + 3.0 * (terms["distortion"] - 6 * 0.5)
    np.testing.assert_allclose(loss, truth, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(terms["constraint"], terms["distortion"] / 6 - 0.5, rtol=1e-4)


def test_a_target_out_of_reach_does_not_lead_to_infinity(make_vae, binary):
    vae = make_vae(objective=GECO(-1e6))
    vae.compile(keras.optimizers.SGD(0.0))
    logs = vae.fit(binary, batch_size=10, verbose=0).history
    assert np.isfinite(logs["loss"]).all()
    assert float(vae.objective.log_multiplier) == 14.0


def test_accumulated_batches_make_one_step(make_vae, binary):
    """Four batches to an update move the multiplier as far as one batch of all of them."""
    found = []
    for batches in (None, 4):
        vae = make_vae(objective=GECO(0.2, rate=0.1, momentum=0.0))
        vae.compile(keras.optimizers.SGD(0.1, gradient_accumulation_steps=batches))
        vae.fit(np.tile(binary[:1], (40, 1, 1, 1)), batch_size=40 // (batches or 1), verbose=0)
        found.append(float(vae.objective.log_multiplier))
    assert found[0] == pytest.approx(found[1], rel=0.1)


def test_an_objective_that_is_made_outside_a_strategy_trains_in_it(make_vae, mirrored, binary):
    objective = GECO(0.1, rate=1.0)
    with mirrored.scope():
        vae = make_vae(objective=objective)
        vae.compile(keras.optimizers.SGD(0.0))
    vae.fit(tf.data.Dataset.from_tensors(binary), verbose=0)
    assert float(tf.convert_to_tensor(objective.log_multiplier)) > 0.01


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rate": 0.0}, "rate takes a number above 0, got 0.0"),
        ({"momentum": 1.0}, "momentum takes a number from 0 below 1, got 1.0"),
        ({"samples": 0}, "samples takes an integer from 1, got 0"),
    ],
)
def test_refusals(options, words):
    with pytest.raises(tfvae.UserError, match=words):
        GECO(**options)
