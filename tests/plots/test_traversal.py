import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae import plots
from tfvae.errors import UserError
from tfvae.plots.walk import mean_rates, walk

tfd = tfp.distributions


def test_rows_are_sorted_by_rate(linear, digits):
    x, _ = digits
    vae = linear(x, 4, scales=[0.9, 0.1, 0.5, 0.01])
    found = walk(vae, x, dims=3, steps=5, span=(-2, 2))
    np.testing.assert_array_equal(found.dims, [3, 1, 2])
    posterior, prior = vae.encode(x), vae.prior()
    rates = tfd.kl_divergence(posterior.distribution, prior.distribution)
    np.testing.assert_allclose(found.rates, tf.reduce_mean(rates, 0).numpy()[[3, 1, 2]], rtol=1e-4)
    figure = plots.traversals(vae, x, dims=3, steps=5)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts[:3] == [f"z[{d}]   {r:.2f} nats" for d, r in zip([3, 1, 2], found.rates)]  # noqa: B905


def test_one_dimension_moves_and_the_others_stay(linear, digits):
    x, _ = digits
    vae = linear(x, 3, scales=[0.1, 0.2, 0.3])
    vae.prior = lambda **_: tfd.Independent(tfd.Normal([5.0, 0.0, 0.0], [2.0, 1.0, 1.0]), 1)
    found = walk(vae, x, dims=3, steps=3, span=(-1, 1))
    start = vae.encode(x[:1]).mean().numpy()[0]
    row = list(found.dims).index(0)
    for step, value in enumerate([3.0, 5.0, 7.0]):
        z = np.array([[value, start[1], start[2]]], np.float32)
        expected = vae.decode(z).mean()[0]
        np.testing.assert_allclose(found.x[row, step], expected, atol=1e-5)


def test_all_of_the_data_count_in_chunks_too(linear, digits):
    x, _ = digits
    vae = linear(x, 3)
    rates, first = mean_rates(vae, x)
    everything = plots.rate_per_dimension(vae.encode(x), vae.prior())
    np.testing.assert_allclose(rates, tf.reduce_mean(everything, 0), rtol=1e-4)
    np.testing.assert_allclose(first, vae.encode(x[:1]).mean()[0], atol=1e-5)
    assert len(x) > 1000


def test_the_context_of_the_first_example_is_decoded_with(linear, digits):
    x, y = digits
    vae = linear(x, 3)
    plots.traversals(vae, x[:20], context=y[:20] + 1, dims=2, steps=3)
    np.testing.assert_array_equal(vae.contexts[0], y[:20] + 1)
    np.testing.assert_array_equal(vae.contexts[1], np.full(6, y[0] + 1))


def test_a_discrete_latent_is_refused(linear, digits):
    x, _ = digits
    vae = linear(x, 3)
    logits = tf.zeros([4, 5])
    vae.encode = lambda x: tfd.Independent(
        tfd.OneHotCategorical(logits=tf.zeros([len(x), 4, 5]), dtype=tf.float32), 1
    )
    vae.prior = lambda: tfd.Independent(tfd.OneHotCategorical(logits=logits), 1)
    with pytest.raises(UserError, match="discrete"):
        plots.traversals(vae, x[:5])


def test_bars_show_the_rates(linear, digits):
    x, _ = digits
    vae = linear(x, 4, scales=[0.9, 0.1, 0.5, 0.01])
    axes = plots.rate_bars(vae, x).axes[0]
    rates, _ = mean_rates(vae, x)
    heights = [bar.get_height() for bar in axes.patches]
    np.testing.assert_allclose(heights, np.sort(rates)[::-1], rtol=1e-6)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["3", "1", "2", "0"]


def test_a_conditional_prior_is_asked_with_the_context(linear, digits):
    x, y = digits
    x, y = x[:30], y[:30].astype(np.float32)
    vae = linear(digits[0], 3)

    def prior(context=None):
        loc = tf.stack([context, 0 * context, 0 * context], -1)
        return tfd.Independent(tfd.Normal(loc, 1.0), 1)

    vae.prior = prior
    rates, _ = mean_rates(vae, x, y)
    loc = vae.encode(x).mean().numpy()[:, 0]
    expected = 0.5 * np.mean(0.01 + (loc - y) ** 2 - 1 - 2 * np.log(0.1))
    np.testing.assert_allclose(rates[0], expected, rtol=1e-4)
    found = walk(vae, x, dims=1, steps=2, span=(0, 1), context=y)
    assert found.dims[0] == 0
    assert plots.traversals(vae, x, context=y).axes
