"""Values of the Bayesian layers: KL, mean, variance, gradients, and the loss that fit reports."""

import keras
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae import layers, schedules
from tfvae.errors import UserError

tfd = tfp.distributions

DENSE = [
    layers.DenseReparameterization,
    layers.DenseLocalReparameterization,
    layers.DenseFlipout,
]
CONVOLUTIONS = [
    layers.Convolution1DReparameterization,
    layers.Convolution1DFlipout,
    layers.Convolution2DReparameterization,
    layers.Convolution2DFlipout,
    layers.Convolution3DReparameterization,
    layers.Convolution3DFlipout,
]


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(7)


def wide(**kwargs):
    """A posterior with scales that are not small beside the locations."""
    return layers.MeanFieldNormal(
        loc_initializer=keras.initializers.RandomNormal(stddev=0.5, seed=1),
        untransformed_scale_initializer=keras.initializers.RandomNormal(stddev=0.5, seed=2),
        **kwargs,
    )


def loc_and_scale(layer):
    normal = layer.kernel_posterior.distribution
    return normal.loc.numpy().astype(np.float64), normal.scale.numpy().astype(np.float64)


def kl_to_standard_normal(loc, scale):
    return np.sum((scale**2 + loc**2 - 1) / 2 - np.log(scale))


def draws(layer, x, n):
    """`n` calls of a layer, [n, *outputs]."""
    call = tf.function(layer)
    return np.stack([call(x).numpy() for _ in range(n)]).astype(np.float64)


@pytest.mark.parametrize("make", DENSE)
@pytest.mark.parametrize("weight", [None, 0.01])
def test_kl_is_the_closed_form(make, weight):
    layer = make(3, kernel_posterior_fn=wide(), kl_weight=weight)
    layer(tf.ones([2, 5]))
    expected = kl_to_standard_normal(*loc_and_scale(layer)) * (weight or 1.0)
    assert len(layer.losses) == 1
    np.testing.assert_allclose(layer.losses[0], expected, rtol=1e-5)


@pytest.mark.parametrize("make", [layers.DenseFlipout, layers.DenseVariational])
def test_weight_of_the_kl_may_be_a_schedule(make, tmp_path):
    layer = make(2, kl_weight=schedules.Linear(0.0, 1.0, steps=4))
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile(keras.optimizers.SGD(0.0), loss=zero)
    x = np.ones([12, 3], "float32")
    # The learning rate is 0 and so is the likelihood's loss: KL alone, times 0, 1/4 and 2/4.
    first = model.fit(x, x, batch_size=4, verbose=0).history["loss"][0]
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    second = loaded.fit(x, x, batch_size=4, verbose=0).history["loss"][0]
    whole = loaded.evaluate(x, x, verbose=0)  # at the step reached, 5: the end of the ramp
    np.testing.assert_allclose(first, whole * 1 / 4, rtol=1e-5)
    np.testing.assert_allclose(second, whole * (3 / 4 + 1 + 1) / 3, rtol=1e-5)


@keras.saving.register_keras_serializable(package="test")
def zero(y, outputs):
    return tf.zeros(tf.shape(outputs)[:1])


def test_kl_of_a_bias_with_a_prior_is_added():
    layer = layers.DenseFlipout(
        3, bias_posterior_fn=wide(), bias_prior_fn=layers.default_multivariate_normal_fn
    )
    layer(tf.ones([2, 5]))
    bias = layer.bias_posterior.distribution
    expected = kl_to_standard_normal(bias.loc.numpy(), bias.scale.numpy())
    np.testing.assert_allclose(layer.losses[1], expected, rtol=1e-5)
    assert layer.bias_prior.event_shape == [3]


def scale_mixture(dtype, shape, name, trainable, add_variable_fn):
    mixture = tfd.MixtureSameFamily(
        tfd.Categorical(probs=[0.25, 0.75]), tfd.Normal([0.0, 0.0], [2.0, 0.1])
    )
    return tfd.Sample(mixture, shape)


@pytest.mark.parametrize("make", DENSE)
def test_kl_without_a_closed_form_is_monte_carlo(make):
    layer = make(2, kernel_posterior_fn=wide(), kernel_prior_fn=scale_mixture)
    x = tf.ones([4, 3])

    @tf.function
    def kl():
        layer(x)
        return layer.losses[0]

    values = np.array([kl().numpy() for _ in range(2000)])
    exact = 0.0
    for loc, scale in zip(*map(np.ravel, loc_and_scale(layer)), strict=True):
        q = scipy.stats.norm(loc, scale)

        def integrand(w, q=q):
            p = 0.25 * scipy.stats.norm.pdf(w, 0, 2) + 0.75 * scipy.stats.norm.pdf(w, 0, 0.1)
            return q.pdf(w) * (q.logpdf(w) - np.log(p))

        exact += scipy.integrate.quad(integrand, loc - 9 * scale, loc + 9 * scale, limit=200)[0]
    assert values.std() > 0.1, "a Monte Carlo estimate varies"
    assert abs(values.mean() - exact) < 4 * values.std() / np.sqrt(len(values))


@pytest.mark.parametrize("make", DENSE)
def test_outputs_have_the_mean_and_the_variance_of_the_posterior(make):
    layer = make(2, kernel_posterior_fn=wide())
    x = tf.constant(np.random.default_rng(0).normal(size=[3, 4]), tf.float32)
    layer(x)
    loc, scale = loc_and_scale(layer)
    values = draws(layer, x, n := 4000)
    mean = x.numpy() @ loc + layer.bias_posterior.mean().numpy()
    variance = x.numpy() ** 2 @ scale**2
    np.testing.assert_array_less(np.abs(values.mean(0) - mean), 4.5 * np.sqrt(variance / n))
    # The relative standard error of the variance of a normal; a Flipout output is one as well.
    np.testing.assert_allclose(values.var(0), variance, rtol=4.5 * np.sqrt(2 / n))


@pytest.mark.parametrize("make", [c for c in CONVOLUTIONS if "2D" in c.__name__])
def test_convolutions_have_the_mean_and_the_variance_of_the_posterior(make):
    layer = make(2, 3, kernel_posterior_fn=wide(), bias_posterior_fn=None)
    x = np.random.default_rng(0).normal(size=[2, 4, 4, 2]).astype("float32")
    layer(x)
    loc, scale = loc_and_scale(layer)
    values = draws(layer, x, n := 3000)
    mean = keras.ops.conv(x, loc.astype("float32")).numpy()
    variance = keras.ops.conv(x**2, (scale**2).astype("float32")).numpy()
    np.testing.assert_array_less(np.abs(values.mean(0) - mean), 4.5 * np.sqrt(variance / n))
    np.testing.assert_allclose(values.var(0), variance, rtol=4.5 * np.sqrt(2 / n))


@pytest.mark.parametrize(
    ("make", "shared"),
    [
        (layers.DenseReparameterization, True),
        (layers.DenseFlipout, False),
        (layers.DenseLocalReparameterization, False),
    ],
)
def test_flipout_makes_examples_uncorrelated(make, shared):
    layer = make(1, kernel_posterior_fn=wide(), bias_posterior_fn=None)
    x = tf.ones([8, 4])
    layer(x)
    _, scale = loc_and_scale(layer)
    variance = np.sum(scale**2)
    values = draws(layer, x, n := 4000)[:, :, 0]
    # Equal examples: with one kernel for all, the mean over the batch varies as one example does.
    expected = variance if shared else variance / 8
    np.testing.assert_allclose(values.mean(1).var(), expected, rtol=4.5 * np.sqrt(2 / n) * 1.5)
    correlation = np.corrcoef(values[:, 0], values[:, 1])[0, 1]
    assert abs(correlation - shared) < 4.5 / np.sqrt(n)


def test_flipout_gives_the_outputs_signs_of_their_own():
    layer = layers.DenseFlipout(2, kernel_posterior_fn=wide(), bias_posterior_fn=None)
    x = tf.ones([2, 1])
    layer(x)
    loc, scale = loc_and_scale(layer)
    values = (draws(layer, x, n := 4000) - loc) / scale
    # Without signs of the outputs the two units of an example would flip together: E = 1.
    products = values.prod(axis=(1, 2))
    assert abs(products.mean()) < 4.5 * products.std() / np.sqrt(n)


def test_convolution_flipout_makes_examples_uncorrelated():
    layer = layers.Convolution2DFlipout(1, 2, kernel_posterior_fn=wide(), bias_posterior_fn=None)
    values = draws(layer, tf.ones([2, 3, 3, 1]), n := 2000)
    one, two = values[:, 0, 0, 0, 0], values[:, 1, 0, 0, 0]
    assert abs(np.corrcoef(one, two)[0, 1]) < 4.5 / np.sqrt(n)
    # Within an example the signs are shared, as a convolution shares its kernel.
    np.testing.assert_allclose(one, values[:, 0, 1, 1, 0], rtol=1e-5)


def means(make, options, shape):
    """Outputs of a convolution with the mean kernel, and those of Keras in channels_last."""
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    first = options.get("data_format") == "channels_first"
    inputs = np.moveaxis(x, -1, 1) if first else x
    layer = make(4, 3, activation="tanh", kernel_posterior_tensor_fn="mean", **options)
    outputs = layer(inputs)
    assert layer.compute_output_shape(inputs.shape) == tuple(outputs.shape)
    outputs = np.moveaxis(outputs, 1, -1) if first else outputs.numpy()
    options = {k: str(v).lower() if k == "padding" else v for k, v in options.items()}
    options.pop("data_format", None)
    reference = getattr(keras.layers, f"Conv{make.rank}D")(4, 3, activation="tanh", **options)
    reference.build(x.shape)
    reference.set_weights([layer.kernel_posterior.mean(), layer.bias_posterior.mean()])
    return outputs, reference(x).numpy()


@pytest.mark.parametrize("make", CONVOLUTIONS)
@pytest.mark.parametrize("options", [{}, {"padding": "SAME", "strides": 2}, {"dilation_rate": 2}])
def test_mean_of_a_convolution_is_that_of_keras(make, options):
    outputs, expected = means(make, options, [2, *[7] * make.rank, 3])
    np.testing.assert_allclose(outputs, expected, atol=2e-5)


def has_channels_first():
    """Whether this processor's TensorFlow convolves so: oneDNN does, TensorFlow itself does not."""
    try:
        tf.nn.conv2d(tf.zeros([1, 1, 3, 3]), tf.zeros([1, 1, 1, 1]), 1, "SAME", data_format="NCHW")
    except tf.errors.OpError:
        return False
    return True


# TensorFlow has no channels_first convolution over three axes on the CPU.
@pytest.mark.skipif(not has_channels_first(), reason="needs oneDNN, or a GPU")
@pytest.mark.parametrize("make", [c for c in CONVOLUTIONS if c.rank < 3])
def test_channels_first_is_channels_last_transposed(make):
    outputs, expected = means(make, {"data_format": "channels_first"}, [2, *[7] * make.rank, 3])
    np.testing.assert_allclose(outputs, expected, atol=2e-5)


@pytest.mark.parametrize("make", DENSE)
def test_gradient_of_the_kl_is_the_closed_form(make):
    layer = make(3, kernel_posterior_fn=wide())
    x = tf.ones([2, 4])
    layer(x)
    with tf.GradientTape() as tape:
        layer(x)
        (kl,) = layer.losses
    loc, raw, _ = layer.trainable_variables
    by_loc, by_raw = tape.gradient(kl, [loc.value, raw.value])
    _, scale = loc_and_scale(layer)
    np.testing.assert_allclose(by_loc, loc.numpy(), rtol=1e-5)
    sigmoid = 1 / (1 + np.exp(-raw.numpy()))
    np.testing.assert_allclose(by_raw, (scale - 1 / scale) * sigmoid, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", DENSE)
def test_gradient_of_an_expected_loss_is_unbiased(make):
    # E (y - t)² = (x μ - t)² + x² σ², whose gradients are known.
    layer = make(1, kernel_posterior_fn=wide(), bias_posterior_fn=None, kernel_prior_fn=None)
    x, target = tf.constant([[1.0, -2.0], [0.5, 1.5]]), tf.constant([[1.0], [-1.0]])
    layer(x)
    loc, raw = layer.trainable_variables

    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum((layer(x) - target) ** 2)
        return tape.gradient(loss, [loc.value, raw.value])

    values = [np.stack(g).astype(np.float64) for g in zip(*[gradients() for _ in range(3000)])]  # noqa: B905
    mu, sigma = loc_and_scale(layer)
    x, target = x.numpy(), target.numpy()
    expected = [
        2 * x.T @ (x @ mu - target),
        2 * sigma * np.sum(x**2, 0)[:, None] / (1 + np.exp(-raw.numpy())),
    ]
    for value, exact in zip(values, expected, strict=True):
        error = 4.5 * value.std(0) / np.sqrt(len(value))
        np.testing.assert_array_less(np.abs(value.mean(0) - exact), error)


def test_local_reparameterization_has_a_gradient_at_zero_input():
    layer = layers.DenseLocalReparameterization(3)
    x = tf.zeros([2, 4])
    layer(x)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x) ** 2)
    for gradient in tape.gradient(loss, [v.value for v in layer.trainable_variables]):
        assert np.all(np.isfinite(gradient))


@keras.saving.register_keras_serializable(package="test")
def negative_log_likelihood(y, mean):
    return -tf.reduce_sum(tfd.Normal(mean, 1.0).log_prob(y), axis=-1)


@pytest.mark.parametrize("make", [*DENSE, layers.DenseVariational])
def test_loss_of_fit_is_the_negative_elbo_for_each_example(make):
    x = np.random.default_rng(0).normal(size=[48, 3]).astype("float32")
    y = np.random.default_rng(1).normal(size=[48, 2]).astype("float32")
    if make is layers.DenseVariational:
        layer = make(2, make_posterior_fn=narrow, kl_weight=1 / 48)
    else:
        layer = make(
            2, kernel_posterior_fn=wide(), kernel_posterior_tensor_fn="mean", kl_weight=1 / 48
        )
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile(keras.optimizers.SGD(0.0), loss=negative_log_likelihood)
    reported = model.fit(x, y, batch_size=16, verbose=0).history["loss"][0]
    if make is layers.DenseVariational:
        q = layer._posterior.distribution().distribution
        loc, scale = q.loc.numpy().astype(np.float64), q.scale.numpy().astype(np.float64)
        mean = x @ loc[:6].reshape(3, 2) + loc[6:]
    else:
        loc, scale = loc_and_scale(layer)
        mean = x @ loc + layer.bias_posterior.mean().numpy()
    log_likelihood = scipy.stats.norm(mean, 1.0).logpdf(y).sum()
    elbo = log_likelihood - kl_to_standard_normal(loc, scale)
    np.testing.assert_allclose(reported, -elbo / 48, rtol=2e-6)


@keras.saving.register_keras_serializable(package="test")
def narrow(kernel_size, bias_size, dtype):
    """A posterior whose draws are its mean to float32 rounding."""
    make = layers.MeanFieldNormal(untransformed_scale_initializer=keras.initializers.Constant(-20))
    return layers.WeightDistribution(make, [kernel_size + bias_size], dtype=dtype)


@pytest.mark.parametrize("exact", [None, True, False])
def test_dense_variational_takes_a_correlated_posterior(exact):
    rng = np.random.default_rng(0)
    scale_tril = np.tril(rng.normal(size=[8, 8]) * 0.2 + np.eye(8)).astype("float32")
    loc = rng.normal(size=8).astype("float32")
    layer = layers.DenseVariational(
        2,
        lambda kernel_size, bias_size, dtype: lambda x: tfd.MultivariateNormalTriL(loc, scale_tril),
        lambda kernel_size, bias_size, dtype: lambda x: tfd.MultivariateNormalDiag(tf.zeros(8)),
        kl_use_exact=exact,
    )
    x = rng.normal(size=[5, 3]).astype("float32")

    @tf.function
    def call():
        return layer(x), layer.losses[0]

    outputs, kls = (np.stack(v) for v in zip(*[call() for _ in range(2000)]))  # noqa: B905
    covariance = scale_tril.astype(np.float64) @ scale_tril.T
    kl = (np.trace(covariance) + loc @ loc - 8 - np.linalg.slogdet(covariance)[1]) / 2
    if exact is False:
        assert kls.std() > 0.1
        assert abs(kls.mean() - kl) < 4 * kls.std() / np.sqrt(len(kls))
    else:
        np.testing.assert_allclose(kls, kl, rtol=1e-5)
    mean = x @ loc[:6].reshape(3, 2) + loc[6:]
    error = 4.5 * outputs.std(0) / np.sqrt(len(outputs))
    np.testing.assert_array_less(np.abs(outputs.mean(0) - mean), error)
    features = np.zeros([8])
    features[[0, 2, 4]], features[6] = x[0], 1.0  # the first output is linear in the weights
    np.testing.assert_allclose(
        outputs[:, 0, 0].var(), features @ covariance @ features, rtol=4.5 * np.sqrt(2 / 2000)
    )


def trained_prior(kernel_size, bias_size, dtype):
    make = layers.MeanFieldNormal(is_singular=False)
    return layers.WeightDistribution(make, [kernel_size + bias_size], dtype=dtype)


def test_paths_of_weights_say_whose_they_are():
    layer = layers.DenseVariational(2, make_prior_fn=trained_prior)
    layer.build((None, 3))
    parts = [weight.path.split("/")[1] for weight in layer.weights]
    assert sorted(set(parts)) == ["posterior", "prior"]


def test_a_prior_with_weights_is_trained():
    layer = layers.DenseVariational(2, make_prior_fn=trained_prior)
    x = tf.ones([2, 3])
    layer(x)
    with tf.GradientTape() as tape:
        layer(x)
        loss = sum(layer.losses)
    assert len(layer.trainable_variables) == 4
    gradients = tape.gradient(loss, [v.value for v in layer.trainable_variables])
    assert all(np.abs(g).max() > 0 for g in gradients)


def test_a_function_in_the_style_of_tfp_works():
    def posterior(dtype, shape, name, trainable, add_variable_fn):
        loc = add_variable_fn(
            name=name + "_loc", shape=shape, dtype=dtype, initializer="ones", trainable=trainable
        )
        raw = add_variable_fn(
            name=name + "_raw", shape=shape, dtype=dtype, initializer="zeros", trainable=trainable
        )
        scale = tfp.util.DeferredTensor(raw, tf.nn.softplus)
        return tfd.Independent(tfd.Normal(loc, scale), reinterpreted_batch_ndims=len(shape))

    layer = layers.DenseFlipout(3, kernel_posterior_fn=posterior)
    layer(tf.ones([2, 4]))
    np.testing.assert_allclose(layer.kernel_posterior.stddev(), np.log(2), rtol=1e-6)
    assert [v.name for v in layer.trainable_variables][:2] == [
        "kernel_posterior_loc",
        "kernel_posterior_raw",
    ]


def test_layers_of_one_kind_start_with_different_weights():
    a, b = layers.DenseFlipout(3), layers.DenseFlipout(3)
    for layer in (a, b):
        layer(tf.ones([1, 4]))
    assert np.abs(a.get_weights()[0] - b.get_weights()[0]).max() > 0.01


def test_seed_repeats_the_noise_of_a_layer_whatever_was_drawn_before():
    def run(seed, before):
        keras.utils.set_random_seed(3)
        tf.random.normal([before])
        layer = layers.DenseFlipout(
            3, kernel_posterior_fn=wide(), bias_posterior_fn=None, seed=seed
        )
        call = tf.function(layer)
        return call(tf.ones([2, 4])).numpy(), call(tf.ones([2, 4])).numpy()

    first = run(11, before=1)
    np.testing.assert_array_equal(first, run(11, before=2))
    assert np.abs(first[0] - first[1]).max() > 0.01, "each call draws anew"
    assert np.abs(first[0] - run(12, before=1)[0]).max() > 0.01


@pytest.mark.parametrize("make", [*DENSE, layers.DenseVariational])
def test_a_frozen_layer_has_no_trainable_weights(make):
    model = keras.Sequential([keras.Input((3,)), make(2, trainable=False), keras.layers.Dense(1)])
    assert len(model.trainable_variables) == 2


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_probability_is_float32_under_a_mixed_policy(policy):
    layer = layers.DenseFlipout(200, dtype=policy, kernel_posterior_fn=wide())
    outputs = layer(tf.ones([2, 300]))
    assert outputs.dtype == layer.compute_dtype
    assert layer.losses[0].dtype == tf.float32
    np.testing.assert_allclose(
        layer.losses[0], kl_to_standard_normal(*loc_and_scale(layer)), rtol=1e-5
    )


def deterministic(dtype, shape, name, trainable, add_variable_fn):
    loc = add_variable_fn(name=name, shape=shape, dtype=dtype, initializer="ones")
    return tfd.Independent(tfd.Deterministic(loc), reinterpreted_batch_ndims=len(shape))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: layers.DenseFlipout(2, kernel_posterior_fn=deterministic), "independent normals"),
        (lambda: layers.DenseFlipout(2, kernel_posterior_tensor_fn="smaple"), "did you mean"),
        (lambda: layers.Convolution2DFlipout(2, (3, 3, 3)), "kernel_size takes"),
        (lambda: layers.Convolution2DFlipout(2, 3, padding="causal"), "padding takes"),
    ],
)
def test_mistakes_are_named(make, match):
    with pytest.raises(UserError, match=match):
        make()(tf.ones([1, 4]))


def test_blockwise_initializer_fills_its_blocks():
    make = layers.BlockwiseInitializer(["zeros", keras.initializers.Constant(2.0)], [1, 2])
    again = layers.BlockwiseInitializer.from_config(make.get_config())
    for init in (make, again):
        np.testing.assert_array_equal(init((2, 3)), [[0, 2, 2], [0, 2, 2]])
    with pytest.raises(UserError, match="do not fill"):
        make((2, 4))


@pytest.mark.parametrize("make", DENSE)
def test_what_the_latest_call_drew_has_the_names_of_tfp(make):
    layer = make(3, bias_posterior_fn=layers.MeanFieldNormal())
    x = tf.random.stateless_normal([2, 4], (1, 2))
    assert layer.kernel_posterior_tensor is None
    outputs = layer(x)
    if make is layers.DenseReparameterization:
        assert layer.kernel_posterior_affine is None
        expected = x @ layer.kernel_posterior_tensor
    elif make is layers.DenseLocalReparameterization:
        expected = layer.kernel_posterior_affine_tensor
        assert layer.kernel_posterior_affine.loc.shape == (2, 3)
    else:
        assert layer.kernel_posterior_affine_tensor.shape == (4, 3)
        assert layer.kernel_posterior_affine.scale.shape == (4, 3)
        return
    np.testing.assert_allclose(outputs, expected + layer.bias_posterior_tensor, rtol=1e-5)
    tf.function(layer)(x)
    np.asarray(layer.bias_posterior_tensor)  # no tensor of a graph


def test_the_kl_of_weights_counts_once_however_often_a_model_uses_them():
    x = tf.random.stateless_normal([2, 5, 4], (1, 2))
    layer = layers.DenseReparameterization(
        3,
        bias_prior_fn=layers.default_multivariate_normal_fn,
        bias_posterior_fn=layers.MeanFieldNormal(),
    )
    layer(x[:, 0])
    kernel, bias = layer.losses
    for model in (
        keras.layers.TimeDistributed(layer),
        keras.Sequential([keras.layers.TimeDistributed(layer)]),
        keras.Model(i := keras.Input((5, 4)), layer(i) + layer(2.0 * i)),
    ):
        for _ in range(2):
            model(x)
            np.testing.assert_allclose(model.losses, [kernel, bias], rtol=1e-6)
        in_graph = tf.function(lambda m: (m(x), m.losses)[1])(model)
        np.testing.assert_allclose(in_graph, [kernel, bias], rtol=1e-6)


def test_the_kl_of_dense_variational_counts_once_too():
    layer = layers.DenseVariational(3)
    layer(tf.ones([2, 4]))
    (kl,) = layer.losses
    model = keras.layers.TimeDistributed(layer)
    model(tf.ones([2, 5, 4]))
    np.testing.assert_allclose(model.losses, [kl], rtol=1e-6)
