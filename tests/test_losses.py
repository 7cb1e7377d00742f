"""The negative log-likelihood as loss and metric."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.layers import DistributionLambda, IndependentBernoulli, IndependentNormal
from tfvae.losses import MeanNegativeLogLikelihood, NegativeLogLikelihood

tfd = tfp.distributions


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return (
        rng.normal(size=(22, 3)).astype("float32"),
        rng.normal(size=(22, 2)).astype("float32"),
        rng.uniform(0.5, 2, size=22).astype("float32"),
    )


@pytest.fixture
def make_model():
    def make(**compile_arguments):
        head = IndependentNormal(2)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(head.params_size), head])
        compile_arguments = {
            "loss": NegativeLogLikelihood(),
            "optimizer": keras.optimizers.SGD(0.0),
            **compile_arguments,
        }
        model.compile(**compile_arguments)
        return model

    return make


def test_loss_and_metric_are_the_mean_over_examples(make_model, data):
    x, y, _ = data
    model = make_model(metrics=[MeanNegativeLogLikelihood(name="nll")])
    expected = -float(tf.reduce_mean(model(x).log_prob(y)))
    for logs in (
        model.evaluate(x, y, batch_size=8, verbose=0, return_dict=True),
        {k: v[0] for k, v in model.fit(x, y, batch_size=8, verbose=0).history.items()},
    ):
        assert logs["loss"] == pytest.approx(expected, rel=2e-6)
        assert logs["nll"] == pytest.approx(expected, rel=2e-6)


def test_sample_weights_multiply_each_example(make_model, data):
    x, y, weights = data
    model = make_model(weighted_metrics=[MeanNegativeLogLikelihood(name="nll")])
    each = -model(x).log_prob(y).numpy()
    logs = model.evaluate(x, y, sample_weight=weights, batch_size=22, verbose=0, return_dict=True)
    # As everywhere in Keras: a loss divides by the number of examples, a metric by the weights.
    assert logs["loss"] == pytest.approx((each * weights).mean(), rel=2e-6)
    assert logs["nll"] == pytest.approx((each * weights).sum() / weights.sum(), rel=2e-6)


@pytest.mark.parametrize(("reduction", "reduce"), [("sum", np.sum), (None, np.asarray)])
def test_reductions_are_those_of_keras(reduction, reduce):
    p = IndependentNormal(2)(tf.ones([5, 4]))
    y = np.zeros((5, 2), "float32")
    actual = NegativeLogLikelihood(reduction=reduction)(y, p)
    np.testing.assert_allclose(actual, reduce(-p.log_prob(y).numpy()), rtol=1e-6)


def test_data_of_integers_are_cast():
    p = IndependentBernoulli(2)(tf.zeros([5, 2]))
    for dtype in ("int32", "uint8", "bool"):
        loss = NegativeLogLikelihood()(np.ones((5, 2), dtype), p)
        assert float(loss) == pytest.approx(2 * np.log(2), rel=1e-6)


def test_float64_distributions_are_taken():
    head = IndependentNormal(2, dtype="float64")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), head])
    model.compile("sgd", loss=NegativeLogLikelihood())
    loss = model.fit(np.ones((8, 3)), np.ones((8, 2)), verbose=0).history["loss"][0]
    assert np.isfinite(loss)


def test_a_model_without_a_distribution_is_refused(data):
    x, y, _ = data
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("sgd", loss=NegativeLogLikelihood())
    with pytest.raises(UserError, match="end the model in a layer"):
        model.fit(x, y, verbose=0)
    with pytest.raises(UserError, match="end the model in a layer"):
        NegativeLogLikelihood()(y, y)


def test_a_plain_lambda_works_too(make_model, data):
    x, y, _ = data
    model = make_model(loss=lambda y, p: -p.log_prob(y))
    expected = -float(tf.reduce_mean(model(x).log_prob(y)))
    assert model.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=2e-6)


def test_both_are_saved_with_the_model(make_model, data, tmp_path):
    x, y, _ = data
    model = make_model(metrics=[MeanNegativeLogLikelihood(name="nll")])
    expected = model.evaluate(x, y, verbose=0, return_dict=True)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert again.evaluate(x, y, verbose=0, return_dict=True) == pytest.approx(expected, rel=1e-6)


@keras.saving.register_keras_serializable(package="tests")
def normal_without_event(t):
    return tfd.Normal(t, 1.0)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize(
    "make_head", [lambda: DistributionLambda(normal_without_event), lambda: IndependentNormal(1)]
)
def test_targets_without_their_last_axis_are_the_same_targets(make_head, jit):
    """Issue 11.1: `[n]` against batch `[n, 1]` or event `[1]` were n x n densities."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 1)).astype("float32")
    y = (3 * x[:, 0] + rng.normal(size=40)).astype("float32")
    weights = rng.uniform(0.5, 2, size=40)
    seen = []
    for target in (y, y[:, None]):
        keras.utils.set_random_seed(0)
        head = make_head()
        units = getattr(head, "params_size", 1) if isinstance(head, IndependentNormal) else 1
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(units), head])
        model.compile(
            keras.optimizers.SGD(0.1),
            loss=NegativeLogLikelihood(),
            metrics=[MeanNegativeLogLikelihood(name="nll")],
            jit_compile=jit,
        )
        logs = model.fit(x, target, sample_weight=weights, batch_size=16, verbose=0).history
        seen.append([*logs["loss"], *logs["nll"], *model.layers[0].kernel.numpy().ravel()])
    np.testing.assert_allclose(*seen, rtol=1e-6)


def test_targets_that_would_broadcast_are_refused(make_model, data):
    x, y, _ = data
    model = make_model()
    for wrong in (y[:, :1], y[:, 0]):
        with pytest.raises(UserError, match=r"targets of shape .* batch shape .* event shape"):
            model.fit(x, wrong, verbose=0)
    with pytest.raises(UserError, match="do not fit"):
        MeanNegativeLogLikelihood().update_state(y[:1], model(x))


def test_weights_of_examples_weigh_all_their_parts():
    p = tfd.Normal(np.arange(12, dtype="float32").reshape(3, 4), 1.0)
    y, weights = np.zeros((3, 4), "float32"), np.array([1.0, 2.0, 4.0])
    each = -p.log_prob(y).numpy()
    expected = (each * weights[:, None]).mean()
    assert float(NegativeLogLikelihood()(y, p, weights)) == pytest.approx(expected, rel=1e-6)
    expected = np.average(each.mean(1), weights=weights)
    metric = MeanNegativeLogLikelihood()
    metric.update_state(y, p, weights)
    assert float(metric.result()) == pytest.approx(expected, rel=1e-6)
    for wrong in (np.ones(4), np.ones([3, 2])):
        with pytest.raises(UserError, match="one weight for each example"):
            NegativeLogLikelihood()(y, p, wrong)
