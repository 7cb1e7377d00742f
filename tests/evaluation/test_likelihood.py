import math

import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae.distribute import as_seed, fold_in
from tfvae.errors import UserError
from tfvae.evaluation import active_units, evaluate_likelihood


def batches(x, size):
    return tf.data.Dataset.from_tensor_slices(x).batch(size)


def test_the_table_against_the_model_itself(make_vae, binary):
    vae = make_vae()
    table = evaluate_likelihood(vae, batches(binary, 16), samples=7, seed=3)
    parts = [(binary[i : i + 16], fold_in(as_seed(3), k)) for k, i in enumerate((0, 16, 32))]
    elbo = np.concatenate([vae.elbo(x, seed=seed) for x, seed in parts])
    log_prob = np.concatenate([vae.log_prob(x, 7, seed=seed) for x, seed in parts])
    assert len(elbo) == 40
    assert table["examples"] == 40
    assert table["samples"] == 7
    for name, values in [("elbo", elbo), ("log_prob", log_prob)]:
        assert table[name] == pytest.approx(np.mean(values, dtype=np.float64), rel=1e-6)
        error = np.std(values.astype(np.float64), ddof=1) / np.sqrt(40)
        assert table[f"{name}_se"] == pytest.approx(error, rel=1e-5)
    assert table["gap"] == table["log_prob"] - table["elbo"]
    assert table["bits_per_dim"] == pytest.approx(-table["log_prob"] / (6 * math.log(2)), rel=1e-12)
    means = vae.encode(binary).mean().numpy()
    assert table["active_units"] == np.count_nonzero(means.var(0) > 0.01)


def test_the_exact_likelihood_of_a_linear_gaussian_model(linear_gaussian):
    made = linear_gaussian()
    table = evaluate_likelihood(made.vae, batches(made.x, 5), samples=3)
    # With the exact posterior every weight is p(x): no noise, no gap.
    assert table["log_prob"] == pytest.approx(made.log_prob.mean(), abs=1e-3)
    error = made.log_prob.std(ddof=1) / np.sqrt(len(made.x))
    assert table["log_prob_se"] == pytest.approx(error, rel=1e-3)
    assert "bits_per_dim" not in table


def test_a_worse_posterior_opens_the_gap_that_samples_close(linear_gaussian):
    made = linear_gaussian(exact=False, shift=0.3, n=200)
    data = batches(made.x, 50)
    few, many = (evaluate_likelihood(made.vae, data, samples=k) for k in (1, 400))
    assert many["elbo"] == few["elbo"]
    assert many["gap"] > 0.5 * made.gap.mean() > 0.01
    # A lower bound that samples raise towards the truth.
    truth = made.log_prob.mean()
    assert truth - 0.3 < many["log_prob"] < truth + 0.05
    assert truth - many["log_prob"] < 0.5 * (truth - few["log_prob"])


def test_one_seed_gives_one_table(make_vae, binary):
    vae = make_vae()
    data = batches(binary, 16)
    first = evaluate_likelihood(vae, data, samples=5, seed=1)
    assert evaluate_likelihood(vae, data, samples=5, seed=1) == first
    other = evaluate_likelihood(vae, data, samples=5, seed=2)
    assert other["elbo"] != first["elbo"]
    assert other["log_prob"] != first["log_prob"]
    again = evaluate_likelihood(vae, data, samples=5, seed=1, chunk=2)
    assert again["elbo"] == first["elbo"]
    assert again["log_prob"] == pytest.approx(first["log_prob"], abs=0.5)


@pytest.mark.parametrize("examples", [1, 15, 16, 17, 40, 1000])
def test_examples_are_taken_from_the_front(examples, make_vae, binary):
    vae, seen = make_vae(), []
    table = evaluate_likelihood(
        vae, batches(binary, 16), samples=2, examples=examples, progress=seen.append
    )
    count = min(examples, 40)
    assert table["examples"] == count
    assert seen == [n for n in (16, 32) if n < count] + [count]
    direct = evaluate_likelihood(vae, batches(binary[:count], 16), samples=2)
    assert table["log_prob"] == pytest.approx(direct["log_prob"], rel=1e-6)
    assert math.isnan(table["elbo_se"]) == (count == 1)


def test_no_example_is_refused(make_vae, binary):
    vae = make_vae()
    with pytest.raises(UserError, match="no example"):
        evaluate_likelihood(vae, batches(binary, 16).take(0))
    for examples in (0, -3):
        with pytest.raises(UserError, match="examples"):
            evaluate_likelihood(vae, batches(binary, 16), examples=examples)
    with pytest.raises(UserError, match="samples"):
        evaluate_likelihood(vae, batches(binary, 16), samples=0)


def test_a_conditional_model(make_vae, binary):
    vae = make_vae(labels=3)
    context = np.arange(40) % 3
    vae.build((None, 3, 2, 1), (None,))
    data = batches((binary, context), 16)
    table = evaluate_likelihood(vae, data, samples=4, examples=20)
    assert table["examples"] == 20
    shuffled = evaluate_likelihood(
        vae, batches((binary, (context + 1) % 3), 16), samples=4, examples=20
    )
    assert shuffled["elbo"] != table["elbo"]


def test_levels_are_counted_in_bits(make_vae):
    levels = np.random.default_rng(0).integers(0, 256, (20, 3, 2, 1)).astype(np.float32)
    vae = make_vae(likelihood=tfvae.layers.DiscretizedLogistic((3, 2, 1)))
    table = evaluate_likelihood(vae, batches(levels, 16), samples=4)
    assert table["bits_per_dim"] == pytest.approx(-table["log_prob"] / (6 * math.log(2)))
    assert table["bits_per_dim"] > 4


def test_active_units_of_a_posterior_without_a_mean_in_closed_form(make_vae, binary):
    flow = tfvae.layers.InverseAutoregressiveFlow(2, steps=1, hidden=[4], context_size=2)
    vae = make_vae(latent=flow)
    vae.build((None, 3, 2, 1))
    table = evaluate_likelihood(vae, batches(binary, 16), samples=2)
    assert table["active_units"] in (0, 1, 2)
    assert math.isfinite(table["log_prob"])


def test_active_units_of_all_groups_are_counted(binary):
    # The evidence of both groups is a pixel, and its spread a constant.
    blocks = [
        tfvae.latents.LadderBlock(2, level=0),
        tfvae.latents.LadderBlock(3, level=0, hidden=[]),
    ]
    vae = tfvae.VAE(
        tfvae.networks.BottomUp([tfvae.networks.MLP([])]),
        tfvae.networks.Decoder(
            tfvae.networks.MLP([]), tfvae.layers.IndependentBernoulli((3, 2, 1))
        ),
        latents=tfvae.latents.TopDown(blocks),
    )
    vae.build((None, 3, 2, 1))
    for block, size, active in [(blocks[0], 2, 1), (blocks[1], 3, 2)]:
        kernel = np.zeros((6, 2 * size))
        kernel[np.arange(active), np.arange(active)] = 9.0
        block.evidence.projection.set_weights([kernel, np.zeros(2 * size)])
    blocks[1].above.projection.set_weights([np.zeros((2, 6)), np.zeros(6)])
    table = evaluate_likelihood(vae, batches(binary, 16), samples=2)
    assert table["active_units"] == 3


def test_active_units_of_known_means():
    means = np.zeros((1000, 4))
    rng = np.random.default_rng(0)
    means[:, 1] = rng.normal(size=1000)
    means[:, 2] = 5.0  # far from zero, and the same for every x
    means[:, 3] = 0.09 * rng.choice([-1, 1], 1000)  # a variance of 0.0081
    assert active_units(means) == 1
    assert active_units(means, threshold=0.008) == 2
    assert active_units(means.reshape(1000, 2, 2)) == 1
    # float32 would lose a small variance far from zero.
    assert active_units(1e4 + 0.11 * rng.choice([-1, 1], (1000, 1))) == 1
