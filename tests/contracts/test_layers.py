"""What every layer promises: a line for each in `CASES`, and one test for each promise.

The layers are found by themselves: one without a line fails the first test. The Bayesian layers
have a contract of their own, test_bayesian_layers.py, which finds them too.
"""

import importlib
import json
import os
import pkgutil
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import pytest
import scipy.optimize as optimize
import scipy.special as special
import scipy.stats as stats
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae.errors import UserError
from tfvae.layers import (
    AffineCouplingFlow,
    AutoregressiveNetwork,
    AutoregressiveTransform,
    BayesianLayer,
    CategoricalMixtureOfOneHotCategorical,
    Deterministic,
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
    DistributionLambda,
    DistributionLayer,
    ExponentiatedQuadratic,
    IndependentBernoulli,
    IndependentBeta,
    IndependentCategorical,
    IndependentContinuousBernoulli,
    IndependentLaplace,
    IndependentLogCosh,
    IndependentLogistic,
    IndependentNegativeBinomial,
    IndependentNormal,
    IndependentOrdinal,
    IndependentPoisson,
    IndependentStudent,
    InverseAutoregressiveFlow,
    KLDivergenceAddLoss,
    MeanFieldNormal,
    MixtureLogistic,
    MixtureNormal,
    MixtureSameFamily,
    Multinomial,
    MultiScaleSSIM,
    MultivariateNormalTriL,
    OneHotCategorical,
    OptimalScaleNormal,
    PerceptualDistance,
    PlanarFlow,
    PoincareNormal,
    PowerSpherical,
    Product,
    RadialFlow,
    RelaxedBernoulli,
    RelaxedOneHotCategorical,
    SpectralNorm,
    SplineCouplingFlow,
    SylvesterFlow,
    TransformedDistribution,
    VariableLayer,
    VariationalGaussianProcess,
    VariationalLoss,
    VonMisesFisher,
    WeightDistribution,
    WeightNorm,
    ZeroInflatedNegativeBinomial,
)
from tfvae.layers.symbolic import DistributionMethod
from tfvae.losses import MeanNegativeLogLikelihood, NegativeLogLikelihood
from tfvae.schedules import Linear

tfd = tfp.distributions
N, FEATURES = 6, 4


# ----------------------------------------------------------------------------- references, float64


def positive(raw, minimum=1e-3):
    return np.log1p(np.exp(raw)) + minimum


def halves(params, parts, event):
    """Flat parameters: all of one kind after the other."""
    return [p.reshape(-1, *event) for p in np.split(params, parts, axis=-1)]


def total(log_prob):
    return log_prob.reshape(len(log_prob), -1).sum(-1)


def fill_triangular(raw, n):
    square = np.concatenate([raw[..., n:], raw[..., ::-1]], axis=-1).reshape(*raw.shape[:-1], n, n)
    return np.tril(square)


def log_mass(x, loc, scale, levels):
    """The discretized logistic; loc and scale on [−1, 1]."""
    half = 1 / (levels - 1)
    y = 2 * half * x - 1
    upper = np.where(x == levels - 1, 1.0, stats.logistic.cdf(y + half, loc, scale))
    lower = np.where(x == 0, 0.0, stats.logistic.cdf(y - half, loc, scale))
    return np.log(upper - lower)


def normal(params, x):
    loc, raw = halves(params, 2, (2, 3))
    return total(stats.norm.logpdf(x, loc, positive(raw)))


def normal_of_scale(scale):
    return lambda params, x: total(stats.norm.logpdf(x, params.reshape(x.shape), scale))


def multivariate(params, x):
    lower = fill_triangular(params[:, 3:], 3)
    diagonal = np.arange(3)
    lower[:, diagonal, diagonal] = positive(lower[:, diagonal, diagonal])
    rows = zip(params[:, :3], lower, x, strict=True)
    return np.array([stats.multivariate_normal(m, c @ c.T).logpdf(v) for m, c, v in rows])


def bernoulli(params, x):
    return total(stats.bernoulli.logpmf(x, special.expit(params.reshape(x.shape))))


def continuous_bernoulli(params, x):
    logits = params.reshape(x.shape)
    return total(logits * x + np.log(logits / np.expm1(logits)))


def categorical(params, x):
    log_p = special.log_softmax(params.reshape(*x.shape, -1), axis=-1)
    return total(np.take_along_axis(log_p, x[..., None].astype(int), -1))


def discretized(params, x):
    loc, raw = halves(params, 2, (2, 3))
    return total(log_mass(x, loc, positive(raw), 8))


def discretized_mixture(params, x):
    # Two pixels of two channels, two components: logits, locations, scales, one coefficient each.
    pixels = params.reshape(-1, 2, 12)
    logits, loc, raw, coupling = np.split(pixels, [2, 6, 10], axis=-1)
    loc, scale = loc.reshape(-1, 2, 2, 2), positive(raw.reshape(-1, 2, 2, 2))
    first = log_mass(x[..., :1], loc[..., 0, :], scale[..., 0, :], 4)
    shift = np.tanh(coupling) * (x[..., :1] * 2 / 3 - 1)
    second = log_mass(x[..., 1:], loc[..., 1, :] + shift, scale[..., 1, :], 4)
    return total(special.logsumexp(special.log_softmax(logits, -1) + first + second, axis=-1))


def laplace(params, x):
    loc, raw = halves(params, 2, (3,))
    return total(stats.laplace.logpdf(x, loc, positive(raw)))


def logistic(params, x):
    loc, raw = halves(params, 2, (2, 3))
    return total(stats.logistic.logpdf(x, loc, positive(raw)))


def poisson(params, x):
    return total(stats.poisson.logpmf(x, np.exp(params.reshape(x.shape))))


def nbinom(log_mean, raw):
    count = positive(raw)
    return stats.nbinom(count, count / (count + np.exp(log_mean)))


def negative_binomial(params, x):
    return total(nbinom(*halves(params, 2, (3,))).logpmf(x))


def negative_binomial_shared(params, x):
    return total(nbinom(params, np.zeros(3)).logpmf(x))


def zero_inflated(params, x):
    log_mean, lost, raw = halves(params, 3, (3,))
    lost = special.expit(lost)
    return total(np.log(lost * (x == 0) + (1 - lost) * nbinom(log_mean, raw).pmf(x)))


def one_hot(params, x):
    return total((special.log_softmax(params.reshape(x.shape), -1) * x).sum(-1))


def mixture_of(family):
    def log_prob(params, x):
        logits, rest = params[:, :2], params[:, 2:].reshape(-1, 2, 2, 3)
        parts = family.logpdf(x[:, None], rest[:, :, 0], positive(rest[:, :, 1])).sum(-1)
        return special.logsumexp(special.log_softmax(logits, -1) + parts, axis=-1)

    return log_prob


def mixture_one_hot(params, x):
    weights = special.softmax(params[:, :2], -1)[..., None]
    parts = special.softmax(params[:, 2:].reshape(-1, 2, 3), -1)
    return np.log(((weights * parts).sum(1) * x).sum(-1))


def direction(params):
    return params[:, :3] / np.linalg.norm(params[:, :3], axis=-1, keepdims=True)


def von_mises_fisher(params, x):
    rows = zip(direction(params), positive(params[:, 3]), x, strict=True)
    return np.array(
        [stats.vonmises_fisher(mu, k).logpdf(v / np.linalg.norm(v)) for mu, k, v in rows]
    )


def power_spherical(params, x):
    # On the sphere in three dimensions (1 + t)/2 has a Beta(1 + κ, 1), all around 2π.
    kappa, t = positive(params[:, 3]), (direction(params) * x).sum(-1)
    return stats.beta.logpdf((1 + t) / 2, 1 + kappa, 1) - np.log(4 * np.pi)


def relaxed(params, x):
    tau, logits = 0.7, params
    return (
        special.gammaln(3)
        + 2 * np.log(tau)
        + (logits - (tau + 1) * np.log(x)).sum(-1)
        - 3 * special.logsumexp(logits - tau * np.log(x), axis=-1)
    )


def relaxed_bernoulli(logits, x):
    return total(stats.logistic.logpdf(special.logit(x), logits / 0.7, 1 / 0.7) - np.log(x - x**2))


def product(params, x):
    loc, raw, logits = np.split(params, [2, 4], axis=-1)
    return total(stats.norm.logpdf(x[:, :2], loc, positive(raw))) + one_hot(logits, x[:, 2:])


def made(x, order=(1, 2, 3), context=0.0):
    """One output of a masked network: all kernels 0.3, all biases 0, four hidden units."""
    order, degrees = np.array(order), np.array([1, 1, 2, 2])
    hidden = np.tanh(0.3 * x @ (order[:, None] <= degrees) + context)
    return 0.3 * hidden @ (degrees[:, None] < order) + context


def inverse_autoregressive(params, x):
    """Two steps, in which m and the raw gate are equal."""
    loc, raw, context = np.split(params, [3, 6], axis=-1)
    context, log_det = 0.3 * context.sum(-1, keepdims=True), 0.0
    for order in ([3, 2, 1], [1, 2, 3]):  # backwards, the last step first
        z = np.zeros_like(x)
        for place in (1, 2, 3):
            m = made(z, order, context)
            gate = special.expit(m + 1)
            z = np.where(np.array(order) == place, (x - (1 - gate) * m) / gate, z)
        x, log_det = z, log_det + np.log(gate).sum(-1)
    return total(stats.norm.logpdf(x, loc, positive(raw))) - log_det


def pushed(flow, steps):
    """The density of a flow's values: its inverse by a solver, its determinant by differences."""

    def log_prob(params, x):
        return np.array([one(p, v) for p, v in zip(params, x, strict=True)])

    def one(params, x):
        d, h = len(x), 1e-5
        loc, scale, rest = params[:d], positive(params[d : 2 * d]), params[2 * d :]

        def forward(epsilon):
            return flow(loc + scale * epsilon, np.split(rest, steps))

        found = optimize.root(lambda epsilon: forward(epsilon) - x, np.zeros(d), tol=1e-12)
        assert found.success
        jacobian = [
            (forward(found.x + h * e) - forward(found.x - h * e)) / (2 * h) for e in np.eye(d)
        ]
        return stats.norm.logpdf(found.x).sum() - np.linalg.slogdet(np.array(jacobian))[1]

    return log_prob


def slope(raw):
    return positive(raw + np.log(np.expm1(1 - 1e-3)))


def planar(z, steps):
    for u, w, b in (np.split(params, [3, 6]) for params in steps):
        u_hat = u + (slope(w @ u) - 1 - w @ u) * w / (w @ w)
        z = z + u_hat * np.tanh(w @ z + b)
    return z


def radial(z, steps):
    for params in steps:
        center, alpha = params[:3], positive(params[3])
        beta = alpha * (slope(params[4]) - 1)
        z = z + beta * (z - center) / (alpha + np.linalg.norm(z - center))
    return z


def sylvester(rotation, m):
    def flow(z, steps):
        for i, params in enumerate(steps):
            square, diagonal, b, raw = np.split(params, np.cumsum([m * m, m, m]))
            square = square.reshape(m, m)
            bound = np.sqrt(1 - 1e-3)
            r = np.triu(square, 1) + bound * np.diag(np.tanh(np.diag(square)))
            r_tilde = np.triu(square.T, 1) + bound * np.diag(np.tanh(diagonal))
            q = rotation(raw, i)
            z = z + q @ r @ np.tanh(r_tilde @ q.T @ z + b)
        return z

    return flow


def orthogonal(raw, _):
    columns = []
    for column in (np.eye(3, 2) + raw.reshape(3, 2)).T:
        column = column - sum((q @ column) * q for q in columns)
        columns.append(column / np.linalg.norm(column))
    return np.stack(columns, axis=1)


def householder(raw, _):
    q = np.eye(3)
    for v in raw.reshape(-1, 3):
        q = q @ (np.eye(3) - 2 * np.outer(v, v) / (v @ v))
    return q


def spline(x, params):
    """Two bins on [−4, 4]; all parameters of an element are equal, so both have one size."""
    knots, inner = [-4.0, 0.0, 4.0], 1e-3 + np.log1p(np.exp(params + np.log(np.expm1(1 - 1e-3))))
    if abs(x) > 4:
        return x
    low, d0, d1 = (knots[0], 1.0, inner) if x < 0 else (knots[1], inner, 1.0)
    place = (x - low) / 4
    rest = place * (1 - place)
    return low + 4 * (place**2 + d0 * rest) / (1 + (d1 + d0 - 2) * rest)


def coupled(element):
    """Two couplings of three elements; all kernels are 0.3, so the outputs are equal."""

    def log_prob(params, x):
        def flow(z, context):
            z = (z - loc) / scale
            for kept, moved in (([0], [1, 2]), ([2], [0, 1])):
                hidden = np.tanh(0.3 * (z[kept].sum() + np.sum(context)))
                z[moved] = [element(v, 4 * 0.3 * hidden) for v in z[moved]]
            return loc + scale * z

        values = []
        for row, v in zip(params, x, strict=True):
            loc, scale = row[:3], positive(row[3:6])
            values.append(pushed(flow, 1)(row[None], v[None])[0])
        return np.array(values)

    return log_prob


def autoregressive_network(params, x):
    """Location and raw scale are equal."""
    return total(stats.norm.logpdf(x[..., 0], made(params), positive(made(params))))


def autoregressive_transform(params, x):
    """Shift and log scale are equal."""
    loc, raw = halves(params, 2, (3,))
    u = (x - made(x)) * np.exp(-made(x))
    return total(stats.norm.logpdf(u, loc, positive(raw)) - made(x))


def weight_norm(params, x):
    """All kernels are 0.3: location and raw scale are equal."""
    raw = 0.3 * params.sum(-1, keepdims=True)
    return total(stats.norm.logpdf(x, raw, positive(raw)))


def spectral_norm(params, x):
    """All 24 numbers of the kernel are equal, and the squares of them sum to 1."""
    raw = params.sum(-1, keepdims=True) / np.sqrt(24)
    return total(stats.norm.logpdf(x, raw, positive(raw)))


def constant(params, x):
    return total(stats.norm.logpdf(x, 0.3, positive(0.3)))


def gaussian_process(params, x):
    """The inducing values have mean 0 and covariance 0.25; one density for all points."""
    z = np.linspace(-1, 1, 3)[:, None]

    def kernel(a, b):
        return np.exp(-((a - b.T) ** 2) / 2)

    gain = kernel(params, z) @ np.linalg.inv(kernel(z, z) + 1e-4 * np.eye(3))
    covariance = kernel(params, params) - gain @ (kernel(z, z) - 0.25 * np.eye(3)) @ gain.T
    covariance += (positive(0.3, 0) + 1e-4) * np.eye(len(x))
    return stats.multivariate_normal(cov=covariance).logpdf(x[:, 0])


def loc_scale(family, **options):
    def log_prob(params, x):
        loc, raw = halves(params, 2, (3,))
        return total(family.logpdf(x, loc=loc, scale=positive(raw), **options))

    return log_prob


def beta(params, x):
    return total(stats.beta.logpdf(x, *(positive(p, 1e-2) for p in halves(params, 2, (3,)))))


def multinomial(params, x):
    return np.array(
        [stats.multinomial.logpmf(v, 5, special.softmax(p)) for p, v in zip(params, x, strict=True)]
    )


def ordinal(params, x):
    """At the start the cutpoints are the quartiles of the logistic distribution."""
    cutpoints = np.array([-np.inf, *stats.logistic.ppf([0.25, 0.5, 0.75]), np.inf])
    upper, lower = (cutpoints[x.astype(int) + i] - params for i in (1, 0))
    return total(np.log(stats.logistic.cdf(upper) - stats.logistic.cdf(lower)))


def similarity(x, y):
    """SSIM of two images of one channel, without luminance and with it: means over the windows."""
    window = np.outer(*[np.exp(-0.5 * ((np.arange(len(x)) - (len(x) - 1) / 2) / 1.5) ** 2)] * 2)
    window /= window.sum()  # as large as the image, so that there is one place for it

    def mean(image):
        return (window * image).sum()

    mean_x, mean_y = mean(x), mean(y)
    variances = mean(x * x) - mean_x**2 + mean(y * y) - mean_y**2
    structure = (2 * (mean(x * y) - mean_x * mean_y) + 0.03**2) / (variances + 0.03**2)
    luminance = (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)
    return structure, structure * luminance


def ms_ssim_energy(params, x):
    """Of two scales, with the published weights divided by their sum."""
    weights = np.array([0.0448, 0.2856]) / (0.0448 + 0.2856)
    found = []
    for image, made in zip(x, special.expit(params), strict=True):
        fine = [image[..., 0], made.reshape(8, 8)]
        coarse = [v.reshape(4, 2, 4, 2).mean(axis=(1, 3)) for v in fine]
        parts = np.array([similarity(*fine)[0], similarity(*coarse)[1]])
        parts = np.where(parts < 0.01, 0.01**2 / (0.02 - parts), parts)
        found.append(100.0 * (np.prod(parts**weights) - 1))
    return np.array(found)


def perceptual_energy(params, x):
    """The features are the rows' sums and their halves."""
    rows = (x - special.expit(params).reshape(x.shape)).sum(axis=(2, 3))
    return -1000.0 * 0.5 * (1 + 0.25) * (rows**2).mean(axis=-1)


def row_features():
    image = keras.Input((4, 3, 2))
    rows = keras.layers.Reshape((4, 6))(image)
    sums = [
        keras.layers.Dense(1, kernel_initializer=keras.initializers.Constant(c)) for c in (1, 0.5)
    ]
    return keras.Model(image, [layer(rows) for layer in sums])


def poincare_normal(params, x):
    """On the unit ball in three dimensions, by the tangent vector of x at the centre."""
    tangent, raw = halves(params, 2, (3,))
    length = np.linalg.norm(tangent, axis=-1, keepdims=True)
    loc = -np.tanh(length / 2) * tangent / length
    dot, here, there = ((a * b).sum(-1, keepdims=True) for a, b in [(loc, x), (loc, loc), (x, x)])
    y = ((1 + 2 * dot + there) * loc + (1 - here) * x) / (1 + 2 * dot + here * there)
    size = np.linalg.norm(y, axis=-1, keepdims=True)
    r = 2 * np.arctanh(size)
    normal = total(stats.norm.logpdf(r * y / size, scale=positive(raw)))
    return normal + (3 * np.log(2 / (1 - there)) - 2 * np.log(np.sinh(r) / r))[:, 0]


def log_normal(params, x):
    loc, raw = halves(params, 2, (3,))
    return total(stats.lognorm.logpdf(x, positive(raw), scale=np.exp(loc)))


# ------------------------------------------------------------------------------------------- data


def real(*event):
    return lambda rng: rng.normal(size=(N, *event))


def unit(*event):
    return lambda rng: rng.uniform(size=(N, *event))


def levels(count, *event):
    return lambda rng: rng.integers(count, size=(N, *event))


def vertices(*event):
    return lambda rng: np.eye(event[-1])[rng.integers(event[-1], size=(N, *event[:-1]))]


def sphere(rng):
    x = rng.normal(size=(N, 3))
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@keras.saving.register_keras_serializable(package="tests")
def make_laplace(params):
    loc, raw = tf.split(params, 2, axis=-1)
    return tfd.Independent(tfd.Laplace(loc, tf.math.softplus(raw) + 1e-3), 1)


@keras.saving.register_keras_serializable(package="tests")
def three_draws(distribution):
    """A conversion of one's own: the mean of three draws."""
    return tf.reduce_mean(distribution.sample(3), axis=0)


def negative_log_prob(distribution, y):
    """The loss of each example."""
    return -distribution.log_prob(y).numpy()


def process_loss(process, y):
    """The process is one for all examples: its bound has a part for each, and the KL."""
    kl = process.surrogate_posterior_kl_divergence_prior()
    return (kl / len(y) - process.expected_log_prob(y)).numpy()


class Case(NamedTuple):
    """One configuration of a layer, or of some in a row that end in a distribution."""

    layers: Callable[..., list]  # makes them; takes further arguments of the one that converts
    data: Callable  # draws N examples
    log_prob: Callable  # of flat parameters and data, float64
    size: int  # parameters it takes
    value: tuple | None = None  # shape of the value, where it is not that of the data
    takes_input: bool = True  # whether the output depends on the input
    loss: Callable = NegativeLogLikelihood
    each: Callable = negative_log_prob  # what the loss is for each example
    any_batch: bool = True  # whether XLA compiles the gradient of a draw for any batch size
    argument: bool = True  # whether the distribution may be an argument of a tf.function
    density: bool = True  # whether it has one; a point has a mass
    xla: bool = True  # whether XLA compiles the gradient of the density at data of any kind


def of(cls, *args, **kwargs):
    return lambda **more: [cls(*args, **{**kwargs, **more})]


def row(*makers):
    """Layers in a row, of which the last converts."""
    return lambda **more: [*(make() for make in makers[:-1]), makers[-1](**more)]


def network():
    return AutoregressiveNetwork(
        2,
        3,
        hidden_units=[4],
        activation="tanh",
        kernel_initializer=keras.initializers.Constant(0.3),
    )


COUPLINGS = {
    "steps": 2,
    "hidden": [4],
    "context_size": 2,
    "activation": "tanh",
    "kernel_initializer": keras.initializers.Constant(0.3),
}

CASES = {
    "normal": Case(of(IndependentNormal, (2, 3)), real(2, 3), normal, 12),
    "normal shared": Case(
        of(IndependentNormal, (2, 3), scale="shared"), real(2, 3), normal_of_scale(1.0), 6
    ),
    "normal fixed": Case(
        of(IndependentNormal, (2, 3), convert_to_tensor_fn=three_draws, scale=0.5),
        real(2, 3),
        normal_of_scale(0.5),
        6,
    ),
    "deterministic": Case(
        of(Deterministic, 3), real(3), lambda params, x: np.full(N, -np.inf), 3, density=False
    ),
    "multivariate": Case(of(MultivariateNormalTriL, 3), real(3), multivariate, 9),
    "bernoulli": Case(of(IndependentBernoulli, (2, 3)), levels(2, 2, 3), bernoulli, 6),
    "continuous bernoulli": Case(
        of(IndependentContinuousBernoulli, (2, 3)), unit(2, 3), continuous_bernoulli, 6
    ),
    "categorical": Case(
        of(IndependentCategorical, (2, 3), levels=5), levels(5, 2, 3), categorical, 30
    ),
    "discretized logistic": Case(
        of(DiscretizedLogistic, (2, 3), levels=8), levels(8, 2, 3), discretized, 12
    ),
    "discretized mixture": Case(
        of(DiscretizedLogisticMixture, (2, 2), num_components=2, levels=4),
        levels(4, 2, 2),
        discretized_mixture,
        24,
    ),
    "lambda": Case(of(DistributionLambda, make_laplace), real(3), laplace, 6),
    "logistic": Case(of(IndependentLogistic, (2, 3)), real(2, 3), logistic, 12),
    "laplace": Case(of(IndependentLaplace, 3), real(3), loc_scale(stats.laplace), 6),
    "student t": Case(of(IndependentStudent, 3, df=3.0), real(3), loc_scale(stats.t, df=3.0), 6),
    "log cosh": Case(of(IndependentLogCosh, 3), real(3), loc_scale(stats.hypsecant), 6),
    "optimal scale": Case(of(OptimalScaleNormal, (2, 3)), real(2, 3), normal_of_scale(1.0), 6),
    "beta": Case(of(IndependentBeta, 3), unit(3), beta, 6),
    "poincare normal": Case(
        lambda **k: [PoincareNormal(3, **k)], lambda rng: 0.5 * sphere(rng), poincare_normal, 6
    ),
    "multi scale ssim": Case(
        lambda **k: [MultiScaleSSIM((8, 8, 1), **k)], unit(8, 8, 1), ms_ssim_energy, 64
    ),
    "perceptual distance": Case(
        lambda **k: [PerceptualDistance((4, 3, 2), features=row_features(), **k)],
        unit(4, 3, 2),
        perceptual_energy,
        24,
    ),
    "multinomial": Case(
        of(Multinomial, 3, total_count=5),
        lambda rng: rng.multinomial(5, [0.2, 0.3, 0.5], size=N),
        multinomial,
        3,
    ),
    "ordinal": Case(of(IndependentOrdinal, 3, levels=4), levels(4, 3), ordinal, 3),
    "poisson": Case(of(IndependentPoisson, (2, 3)), levels(6, 2, 3), poisson, 6),
    "negative binomial": Case(
        of(IndependentNegativeBinomial, 3), levels(6, 3), negative_binomial, 6
    ),
    "negative binomial shared": Case(
        of(IndependentNegativeBinomial, 3, dispersion="shared"),
        levels(6, 3),
        negative_binomial_shared,
        3,
    ),
    "zero inflated": Case(of(ZeroInflatedNegativeBinomial, 3), levels(4, 3), zero_inflated, 9),
    "one hot": Case(of(OneHotCategorical, 3), vertices(3), one_hot, 3),
    "one hot grid": Case(of(OneHotCategorical, (2, 3)), vertices(2, 3), one_hot, 6),
    "mixture": Case(
        lambda **more: [MixtureSameFamily(2, IndependentNormal(3), **more)],
        real(3),
        mixture_of(stats.norm),
        14,
    ),
    "mixture normal": Case(of(MixtureNormal, 2, 3), real(3), mixture_of(stats.norm), 14),
    "mixture logistic": Case(of(MixtureLogistic, 2, 3), real(3), mixture_of(stats.logistic), 14),
    "mixture one hot": Case(
        of(CategoricalMixtureOfOneHotCategorical, 3, 2), vertices(3), mixture_one_hot, 8
    ),
    "von mises fisher": Case(of(VonMisesFisher, 3), sphere, von_mises_fisher, 4),
    "power spherical": Case(of(PowerSpherical, 3), sphere, power_spherical, 4),
    "relaxed": Case(
        of(RelaxedOneHotCategorical, 3, temperature=0.7),
        lambda rng: rng.dirichlet([2, 2, 2], size=N),
        relaxed,
        3,
    ),
    "straight through": Case(
        of(
            RelaxedOneHotCategorical,
            (2, 3),
            temperature=Linear(1.0, 0.5, 10),
            straight_through=True,
        ),
        vertices(2, 3),
        one_hot,
        6,
    ),
    "product": Case(
        lambda **more: [Product([IndependentNormal(2), OneHotCategorical(3)], **more)],
        lambda rng: np.concatenate([rng.normal(size=(N, 2)), vertices(3)(rng)], axis=1),
        product,
        7,
    ),
    "relaxed bernoulli": Case(
        of(RelaxedBernoulli, 3, temperature=0.7),
        lambda rng: rng.uniform(0.1, 0.9, (N, 3)),
        relaxed_bernoulli,
        3,
    ),
    "inverse autoregressive": Case(
        of(
            InverseAutoregressiveFlow,
            3,
            steps=2,
            hidden=[4],
            context_size=2,
            activation="tanh",
            gate_bias=1.0,
            kernel_initializer=keras.initializers.Constant(0.3),
        ),
        real(3),
        inverse_autoregressive,
        8,
        # The inversion is a loop: XLA asks for the size of what its gradient keeps.
        xla=False,
    ),
    "planar": Case(of(PlanarFlow, 3, steps=1), real(3), pushed(planar, 1), 13),
    "radial": Case(of(RadialFlow, 3, steps=1), real(3), pushed(radial, 1), 11),
    "sylvester orthogonal": Case(
        of(SylvesterFlow, 3, steps=1, directions=2),
        real(3),
        pushed(sylvester(orthogonal, 2), 1),
        20,
    ),
    "sylvester householder": Case(
        of(SylvesterFlow, 3, rotation="householder", steps=1, reflections=2),
        real(3),
        pushed(sylvester(householder, 3), 1),
        27,
    ),
    "sylvester triangular": Case(
        of(SylvesterFlow, 3, rotation="triangular", steps=2),
        real(3),
        pushed(sylvester(lambda _, i: np.eye(3)[:: -1 if i % 2 else 1], 3), 2),
        36,
    ),
    "affine coupling": Case(
        of(AffineCouplingFlow, 3, **COUPLINGS),
        real(3),
        coupled(lambda v, out: v * np.exp(2 * np.tanh(out / 2)) + out),
        8,
    ),
    "spline coupling": Case(
        of(SplineCouplingFlow, 3, bins=2, **COUPLINGS), real(3), coupled(spline), 8
    ),
    "transformed": Case(
        lambda **more: [TransformedDistribution(IndependentNormal(3), tfp.bijectors.Exp(), **more)],
        lambda rng: np.exp(rng.normal(size=(N, 3))),
        log_normal,
        6,
    ),
    "autoregressive network": Case(
        # It makes parameters in place, [N, 3, 2].
        row(network, lambda **more: IndependentNormal((3, 1), **more)),
        real(3, 1),
        autoregressive_network,
        3,
    ),
    "autoregressive transform": Case(
        row(
            lambda: IndependentNormal(3),
            lambda **more: AutoregressiveTransform(network(), **more),
        ),
        real(3),
        autoregressive_transform,
        6,
    ),
    "weight norm": Case(
        row(
            lambda: WeightNorm(
                keras.layers.Dense(6, kernel_initializer=network().kernel_initializer)
            ),
            lambda **more: IndependentNormal(3, **more),
        ),
        real(3),
        weight_norm,
        4,
    ),
    "spectral norm": Case(
        row(
            lambda: SpectralNorm(
                keras.layers.Dense(6, kernel_initializer=network().kernel_initializer)
            ),
            lambda **more: IndependentNormal(3, **more),
        ),
        real(3),
        spectral_norm,
        4,
    ),
    "variable": Case(
        # A constant: one distribution, of batch shape [1], for all examples.
        row(
            lambda: VariableLayer([1, 6], initializer=keras.initializers.Constant(0.3)),
            lambda **more: IndependentNormal(3, **more),
        ),
        real(3),
        constant,
        2,
        value=(1, 3),
        takes_input=False,
    ),
    "weight distribution": Case(
        # One distribution of weights, without a batch; its value is always a draw.
        lambda **more: [
            WeightDistribution(
                MeanFieldNormal(
                    loc_initializer=keras.initializers.Constant(0.3),
                    untransformed_scale_initializer=keras.initializers.Constant(0.3),
                ),
                [1, 3],
                **more,
            )
        ],
        real(1, 3),
        lambda params, x: total(stats.norm.logpdf(x, 0.3, positive(0.3, 0))),
        2,
        value=(1, 3),
        takes_input=False,
    ),
    "kl add loss": Case(
        lambda **more: [
            IndependentNormal((2, 3), **more),
            KLDivergenceAddLoss(
                tfd.Independent(tfd.Normal(tf.zeros([2, 3]), 1.0), 2), use_exact_kl=True
            ),
        ],
        real(2, 3),
        normal,
        12,
    ),
    "gaussian process": Case(
        # One distribution of all points together, of event shape [N, 1]. The points are the
        # outputs of the projection.
        lambda **more: [
            VariationalGaussianProcess(
                3,
                ExponentiatedQuadratic(),
                inducing_index_points_initializer=keras.initializers.Constant([[[-1], [0], [1]]]),
                unconstrained_observation_noise_variance_initializer=keras.initializers.Constant(
                    0.3
                ),
                variational_inducing_observations_scale_initializer=keras.initializers.Constant(
                    0.5 * np.eye(3)[None]
                ),
                jitter=1e-4,
                **more,
            )
        ],
        real(1),
        gaussian_process,
        1,
        loss=lambda: VariationalLoss(N),
        each=process_loss,
        # tfp's process: XLA has no gradient of a draw where the number of points is unknown, and
        # it is no argument of a function.
        any_batch=False,
        argument=False,
    ),
}


# -------------------------------------------------------------------------------------- the tests


def subclasses(cls):
    return {cls}.union(*(subclasses(sub) for sub in cls.__subclasses__()))


def test_every_layer_has_a_case():
    for module in pkgutil.walk_packages(tfvae.__path__, "tfvae."):
        if not module.name.startswith("tfvae.cli"):
            importlib.import_module(module.name)
    found = {
        cls
        for cls in subclasses(keras.layers.Layer)
        if cls.__module__.startswith("tfvae.layers.")
        or (cls.__module__.startswith("tfvae.") and issubclass(cls, DistributionLayer))
        # Keras registers a class that can be saved; a base is none.
        if keras.saving.get_registered_name(cls) != cls.__name__
        if not issubclass(cls, BayesianLayer)
    }
    covered = {type(layer) for case in CASES.values() for layer in case.layers()}
    # The kernel makes no output of its own: the process that it belongs to has the case. What a
    # method of a symbolic output becomes is no layer of a user's: tests/layers has its tests.
    assert found - covered == {ExponentiatedQuadratic, DistributionMethod}
    assert {cls.__name__ for cls in found - {DistributionMethod}} <= set(tfvae.layers.__all__)


# What a layer does beyond `make_distribution` is done in the base class, the same for all. One case
# of each kind goes through every kind of model: one that computes the distribution by a formula, by
# its own gradient, by a loop, by coupling, by variables of its own, by a function of the user's,
# one with a schedule, two that convert another layer's output, and one that adds to the loss.
REPRESENTATIVES = (
    "normal",
    "bernoulli",
    "lambda",
    "straight through",
    "inverse autoregressive",
    "transformed",
    "weight norm",
    "variable",
    "kl add loss",
    "gaussian process",
)


@pytest.fixture(params=CASES, name="case")
def _case(request):
    return CASES[request.param]


@pytest.fixture(params=REPRESENTATIVES, name="kind")
def _kind(request):
    return CASES[request.param]


@pytest.fixture
def kind_data(kind):
    """Features and data of the likelihood."""
    return features_and_data(kind)


def features_and_data(case):
    rng = np.random.default_rng(0)
    return rng.normal(size=(N, FEATURES)).astype("float32"), case.data(rng).astype("float32")


@pytest.fixture
def data(case):
    """Features and data of the likelihood."""
    return features_and_data(case)


@keras.saving.register_keras_serializable(package="tests")
class OwnModel(keras.Model):
    """A subclassed model of a projection and probability layers."""

    def __init__(self, size, head, **kwargs):
        super().__init__(**kwargs)
        self.size, self.head = size, head
        self.projection = keras.layers.Dense(size)

    def call(self, x):
        return through(self.head, self.projection(x))

    def get_config(self):
        head = [keras.saving.serialize_keras_object(layer) for layer in self.head]
        return {**super().get_config(), "size": self.size, "head": head}

    @classmethod
    def from_config(cls, config):
        head = [keras.saving.deserialize_keras_object(layer) for layer in config["head"]]
        return cls(**{**config, "head": head})


def through(layers, x):
    for layer in layers:
        x = layer(x)
    return x


def sequential(case, **kwargs):
    layers = [keras.Input((FEATURES,)), keras.layers.Dense(case.size), *case.layers(**kwargs)]
    return keras.Sequential(layers)


def functional(case):
    """The distribution is the output, and its value goes on through further layers."""
    inputs = keras.Input((FEATURES,))
    distribution = through([keras.layers.Dense(case.size), *case.layers()], inputs)
    features = keras.layers.Dense(2)(keras.layers.Flatten()(distribution))
    return keras.Model(inputs, [distribution, features])


def compiled(model, case):
    """The metric is of each example, as the density is, but for a process."""
    each = case.each is negative_log_prob
    metrics = [MeanNegativeLogLikelihood(name="nll")] if each else []
    model.compile(keras.optimizers.SGD(1e-3), case.loss(), weighted_metrics=metrics)
    return model


def value_shape(case, y):
    return case.value or y.shape


def test_log_prob_is_that_of_scipy(case):
    rng = np.random.default_rng(1)
    params = rng.normal(size=(N, case.size)).astype("float32")
    x = case.data(rng).astype("float32")
    expected = case.log_prob(np.float64(params), np.float64(x))
    assert np.all(np.isfinite(expected)) == case.density
    distribution = through(case.layers(), params)
    assert distribution.batch_shape + distribution.event_shape == value_shape(case, x)
    assert distribution.log_prob(x).shape == np.shape(expected)
    np.testing.assert_allclose(distribution.log_prob(x), expected, rtol=2e-5, atol=2e-5)


def test_params_size_is_what_the_layer_takes(case):
    layer = case.layers()[0]
    if getattr(layer, "params_per_element", None) is None:  # it takes inputs of any size
        with pytest.raises((UserError, AttributeError), match="params_size"):
            _ = layer.params_size
        return
    assert layer.params_size == case.size
    assert isinstance(layer.params_size, int)
    for wrong in (case.size - 1, case.size + 1):
        with pytest.raises(UserError, match=f"to {case.size} units"):
            case.layers()[0](tf.zeros([N, wrong]))


def test_configuration_is_plain_data_and_comes_back(case):
    for layer in case.layers():
        config = json.dumps(keras.saving.serialize_keras_object(layer))
        again = keras.saving.deserialize_keras_object(json.loads(config))
        assert json.dumps(keras.saving.serialize_keras_object(again)) == config
        assert keras.saving.get_registered_name(type(again)).startswith("tfvae>")


@pytest.mark.representatives("normal", "inverse autoregressive", "kl add loss")
def test_sequential_model(kind, kind_data, tmp_path, capsys):
    case, (x, y) = kind, kind_data
    model = compiled(sequential(case), case)
    weights = np.linspace(0.5, 1.5, N, dtype="float32")  # of mean 1
    each = case.each(model(x), y)
    expected = (each * weights).mean() + float(sum(model.losses))

    logs = model.evaluate(x, y, sample_weight=weights, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)
    if "nll" in logs:
        assert logs["nll"] == pytest.approx((each * weights).sum() / weights.sum(), rel=1e-5)

    before = [weight.numpy() for weight in model.trainable_variables]
    history = model.fit(x, y, sample_weight=weights, verbose=0).history
    assert history["loss"][0] == pytest.approx(logs["loss"], rel=1e-5)
    pairs = zip(before, model.trainable_variables, strict=True)
    changed = [bool(np.abs(a - b).max() > 0) for a, b in pairs]
    assert changed == [case.takes_input] * 2 + [True] * (len(changed) - 2)

    predicted = model.predict(x, verbose=0)
    assert predicted.shape == value_shape(case, y)
    assert np.all(np.isfinite(predicted))
    model.summary()
    assert type(model.layers[-1]).__name__[:20] in capsys.readouterr().out

    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    for copy in (loaded, clone):
        np.testing.assert_allclose(copy(x).log_prob(y), model(x).log_prob(y), rtol=1e-6)
    # The compile state came too: optimizer, loss and metrics, and a further step is the same.
    loaded.run_eagerly = True  # nothing more to trace
    steps = [
        m.fit(x, y, sample_weight=weights, verbose=0).history["loss"] + m.get_weights()
        for m in (loaded, model)
    ]
    assert int(loaded.optimizer.iterations) == 2
    for a, b in zip(*steps, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def gradients(case, x, y, *, compile):
    """Of the log-probability and of a draw, in the features, and the two values."""
    layers = case.layers()
    project = keras.layers.Dense(case.size, kernel_initializer=keras.initializers.Constant(0.1))

    def gradient(x, of):
        with tf.GradientTape() as tape:
            tape.watch(x)
            distribution = through(layers, project(x) + 0.1 * tf.cumsum(tf.ones(case.size)))
            value = tf.reduce_sum(of(distribution))
        return value, tape.gradient(value, x)

    def run(x):
        # One tape each: XLA has no gradient of tfp's loops inside of a persistent one.
        log_prob, of_density = gradient(x, lambda p: p.log_prob(y))
        return log_prob, of_density, gradient(x, lambda p: p.sample(seed=(1, 2)))[1]

    x = tf.constant(x)
    run(x)  # makes the weights
    return tf.function(run, jit_compile=True)(x) if compile else run(x)


@pytest.mark.representatives(
    "normal", "discretized mixture", "straight through", "inverse autoregressive", "weight norm"
)
def test_gradients_of_the_density_and_of_a_draw_under_xla(case, data):
    x, y = data
    log_prob, of_density, of_draw = gradients(case, x, y, compile=case.xla)
    expected = gradients(case, x, y, compile=False)
    np.testing.assert_allclose(log_prob, expected[0], rtol=1e-4)
    assert (of_density is None) == (expected[1] is None)
    assert (of_density is None) == (not (case.takes_input and case.density))
    if of_density is not None:
        np.testing.assert_allclose(of_density, expected[1], rtol=1e-3, atol=1e-4)
    # XLA draws another stream of noise, so the values differ.
    assert (of_draw is None) == (expected[2] is None)
    if of_draw is not None:
        assert np.all(np.isfinite(of_draw))
        assert np.all(np.isfinite(expected[2]))


@pytest.mark.representatives("normal", "straight through", "variable", "kl add loss")
def test_functional_model_with_xla(kind, kind_data):
    case, (x, y) = kind, kind_data
    model = functional(case)
    expected = case.each(model(x)[0], y).mean() + float(sum(model.losses))
    zeros = np.zeros((N, 2), "float32")
    model.compile("sgd", [case.loss(), "mse"], loss_weights=[1, 0], jit_compile=True)
    batches = tf.data.Dataset.from_tensors((x, (y, zeros)))  # of a size that is known
    if case.any_batch:
        batches = batches.unbatch().batch(N)
    logs = model.fit(batches, verbose=0).history
    assert logs["loss"][0] == pytest.approx(expected, rel=1e-5)
    value, features = model(x)
    assert tf.convert_to_tensor(value).shape == value_shape(case, y)
    assert features.shape == (len(value), 2)


@pytest.mark.representatives("normal", "transformed")
def test_subclassed_model(kind, kind_data, tmp_path):
    case, (x, y) = kind, kind_data
    model = compiled(OwnModel(case.size, case.layers()), case)
    expected = case.each(model(x), y).mean() + float(sum(model.losses))
    assert model.fit(x, y, verbose=0).history["loss"][0] == pytest.approx(expected, rel=1e-5)
    model.run_eagerly = True  # nothing more to trace
    assert model.predict(x, verbose=0).shape == value_shape(case, y)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(x).log_prob(y), model(x).log_prob(y), rtol=1e-6)


@pytest.mark.parametrize("name", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.representatives("*-mixed_float16")
def test_probability_is_float32_under_mixed_precision(kind, kind_data, policy, name):
    case, (x, y) = kind, kind_data
    policy(name)
    model = compiled(sequential(case), case)
    dense, *layers = model.layers
    narrow = dense(x)
    assert narrow.dtype in (tf.bfloat16, tf.float16)
    distribution = model(x)
    assert distribution.dtype == tf.float32
    assert all(weight.dtype != narrow.dtype.name for weight in model.weights)
    # The same density as that of the narrow parameters taken as numbers.
    wide = through(layers, tf.cast(narrow, tf.float32))
    np.testing.assert_allclose(distribution.log_prob(y), wide.log_prob(y), rtol=1e-6)
    model.run_eagerly = True  # nothing to trace
    assert np.isfinite(model.fit(x, y, verbose=0).history["loss"][0])


def test_the_value_crosses_functions_as_a_tensor_and_the_distribution_as_itself(kind, kind_data):
    case, (x, y) = kind, kind_data
    model = sequential(case)
    value = tf.function(model)(tf.constant(x))
    assert value.shape == value_shape(case, y)
    log_prob = tf.function(lambda x: model(x).log_prob(y))(tf.constant(x))
    np.testing.assert_allclose(log_prob, model(x).log_prob(y), rtol=1e-5, atol=1e-6)
    if case.argument:  # a plain distribution is a composite tensor
        function = tf.function(lambda distribution: distribution.log_prob(y))
        log_prob = function(tfvae.layers.concrete(model(x)))
        np.testing.assert_allclose(log_prob, model(x).log_prob(y), rtol=1e-5, atol=1e-6)


def exported(folder):
    """Exports a model of each kind and writes its input and, for a mean, its output."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, FEATURES)).astype("float32")
    arrays = {"x": x}
    for name in REPRESENTATIVES:
        case = CASES[name]
        model = sequential(case)
        try:
            model(x).mean()
            model = sequential(case, convert_to_tensor_fn="mean")
            arrays[f"mean {name}"] = np.asarray(model(x))
        except (NotImplementedError, ValueError):  # no mean, or no choice but a draw
            arrays[f"shape {name}"] = np.array(model.output_shape[1:])
        model.export(os.path.join(folder, name.replace(" ", "_")), verbose=False)
    np.savez(os.path.join(folder, "arrays.npz"), **arrays)


LOAD = """
import json, sys
import numpy as np, tensorflow as tf
folder = {folder!r}
arrays = np.load(folder + "/arrays.npz")
result = {{}}
for key in arrays.files:
    if key == "x":
        continue
    kind, name = key.split(" ", 1)
    model = tf.saved_model.load(folder + "/" + name.replace(" ", "_"))
    served = model.serve(arrays["x"])
    if kind == "mean":
        result[name] = float(np.abs(served - arrays[key]).max())
    else:
        result[name] = 0.0 if list(served.shape[1:]) == arrays[key].tolist() else 1.0
print(json.dumps([result, "tensorflow_probability" in sys.modules, "keras" in sys.modules]))
"""


def test_exports_load_without_tfp(tmp_path, run_python):
    exported(str(tmp_path))
    errors, probability, _ = run_python(LOAD.format(folder=str(tmp_path))).result
    assert not probability
    assert set(errors) == set(REPRESENTATIVES)
    assert max(errors.values()) < 1e-4, errors


@pytest.mark.representatives("normal", "straight through", "weight norm", "kl add loss")
def test_two_replicas_take_the_step_of_one(kind, kind_data, mirrored):
    case, (x, y) = kind, kind_data
    single = compiled(sequential(case), case)
    single.run_eagerly = True  # nothing to trace
    with mirrored.scope():
        double = compiled(sequential(case), case)
    double.set_weights(single.get_weights())
    losses = [m.fit(x, y, batch_size=N, verbose=0).history["loss"][0] for m in (single, double)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    for a, b in zip(single.get_weights(), double.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
