"""Published models by name: each a composition of parts, returned uncompiled."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence

import keras

from tfvae import layers, networks, priors
from tfvae.errors import UserError, unknown_name
from tfvae.objectives import ELBO, IWAE, MIWAE, BetaTCVAE, FactorVAE, Objective
from tfvae.schedules import Schedule
from tfvae.vae import VAE

__all__ = [
    "beta_tcvae",
    "beta_vae",
    "conditional_vae",
    "dreg",
    "factor_vae",
    "get",
    "iaf_vae",
    "iwae",
    "miwae",
    "names",
    "nvp_vae",
    "takes_labels",
    "vae",
    "vamp_vae",
]

LIKELIHOODS = {
    "bernoulli": layers.IndependentBernoulli,
    "continuous_bernoulli": layers.IndependentContinuousBernoulli,
    "normal": layers.IndependentNormal,
    "categorical": layers.IndependentCategorical,
    "discretized_logistic": layers.DiscretizedLogistic,
}
# These take the integer levels of an image, the others its grey values.
OF_LEVELS = ("categorical", "discretized_logistic")
POSTERIORS = {
    "normal": layers.IndependentNormal,
    "full_covariance": layers.MultivariateNormalTriL,
    "iaf": layers.InverseAutoregressiveFlow,
}
NETWORKS = ("mlp", "conv", "resnet")


def _trunks(network: str, event_shape: Sequence[int], hidden: Sequence[int], options: Mapping):
    """The encoder's and the decoder's trunk of a name."""
    if network == "mlp":
        return networks.MLP(hidden), networks.MLP(hidden[::-1])
    if network not in NETWORKS:
        raise unknown_name("network", network, NETWORKS)
    down, up = {
        "conv": (networks.ConvDown, networks.ConvUp),
        "resnet": (networks.ResNetDown, networks.ResNetUp),
    }[network]
    options = dict(options)
    filters, units = options.pop("filters", (32, 64)), options.pop("units", None)
    return (
        down(filters, units=units, **options),
        up(filters[::-1], event_shape[:2], **options),
    )


def vae(
    event_shape: Sequence[int],
    latent_dim: int = 16,
    *,
    network: str = "mlp",
    hidden: Sequence[int] = (200, 200),
    network_options: Mapping | None = None,
    likelihood: str = "bernoulli",
    likelihood_options: Mapping | None = None,
    posterior: str = "normal",
    posterior_options: Mapping | None = None,
    conditioner: keras.layers.Layer | None = None,
    objective: Objective | None = None,
    beta: float | Schedule | None = None,
    free_bits: float | Schedule | None = None,
    capacity: float | Schedule | None = None,
    samples: int | None = None,
    **parts,
) -> VAE:
    """The variational autoencoder: trunks by name, a posterior and a likelihood by name.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        network: `"mlp"`, `"conv"` or `"resnet"`.
        hidden: Units of the encoder's MLP; the decoder's has them in reverse.
        network_options: Arguments of the trunks of the other networks, such as `filters`;
            `units` is of the encoder's alone.
        likelihood: A name of `LIKELIHOODS`. `"categorical"` and `"discretized_logistic"` take
            the integer levels of an image.
        likelihood_options: Arguments of the likelihood's layer, such as `levels`.
        posterior: A name of `POSTERIORS`.
        posterior_options: Arguments of the posterior's layer, such as `steps`.
        conditioner: Keras layer from the context to a vector, for a conditional model.
        objective: The objective; None: the ELBO, with the next four where they are given.
        beta: Weight of the rate, see `tfvae.objectives.ELBO`.
        free_bits: Floor of the rate, nats per latent group.
        capacity: Target of the rate, nats.
        samples: Posterior samples per example in the loss.
        **parts: `prior`, `seed` and further arguments of `VAE`.

    Returns:
        The model, uncompiled.

    Example:
        >>> model = tfvae.recipes.vae((8, 8, 1), latent_dim=2)
        >>> model.compile("adam")

    References:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014.
    """
    for kind, name, known in [
        ("likelihood", likelihood, LIKELIHOODS),
        ("posterior", posterior, POSTERIORS),
    ]:
        if name not in known:
            raise unknown_name(kind, name, known)
    given = {"beta": beta, "free_bits": free_bits, "capacity": capacity, "samples": samples}
    given = {name: value for name, value in given.items() if value is not None}
    if objective is not None and given:
        raise UserError(
            f"{', '.join(given)}: of the ELBO, and this model's objective is "
            f"{type(objective).__name__}: leave it out"
        )
    down, up = _trunks(network, event_shape, hidden, network_options or {})
    head = LIKELIHOODS[likelihood](event_shape, **(likelihood_options or {}))
    if likelihood in OF_LEVELS:
        # The encoder sees the levels on [-1, 1]; the likelihood sees them as they are.
        half = (head.levels - 1) / 2
        down = keras.Sequential([keras.layers.Rescaling(1 / half, offset=-1.0), down])
    return VAE(
        networks.Encoder(
            down,
            POSTERIORS[posterior](latent_dim, **(posterior_options or {})),
            conditioner=conditioner,
        ),
        networks.Decoder(up, head, conditioner=conditioner),
        objective=objective or ELBO(**given),
        **parts,
    )


def beta_vae(
    event_shape: Sequence[int], latent_dim: int = 10, *, beta: float | Schedule = 4.0, **options
) -> VAE:
    """The beta-VAE: the rate weighs beta times.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        beta: Weight of the rate.
        **options: Arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Higgins et al., "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational
        Framework", 2017, Eq. 4.
    """
    return vae(event_shape, latent_dim, beta=beta, **options)


def iwae(
    event_shape: Sequence[int],
    latent_dim: int = 16,
    *,
    samples: int = 5,
    gradient: str = "plain",
    **options,
) -> VAE:
    """The importance-weighted autoencoder: the bound of K posterior samples.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        samples: K.
        gradient: `"plain"`, `"stl"` or `"dreg"`, see `tfvae.objectives.IWAE`.
        **options: Arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Burda, Grosse, Salakhutdinov, "Importance Weighted Autoencoders", 2016, Eq. 8.
    """
    return vae(event_shape, latent_dim, objective=IWAE(samples, gradient), **options)


def miwae(
    event_shape: Sequence[int],
    latent_dim: int = 16,
    *,
    bounds: int = 8,
    samples: int = 8,
    gradient: str = "plain",
    **options,
) -> VAE:
    """The multiply importance-weighted autoencoder: the mean of M bounds of K samples each.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        bounds: M.
        samples: K.
        gradient: `"plain"`, `"stl"` or `"dreg"`, see `tfvae.objectives.IWAE`.
        **options: Arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Rainforth et al., "Tighter Variational Bounds are Not Necessarily Better", 2018, Eq. 8.
    """
    return vae(event_shape, latent_dim, objective=MIWAE(bounds, samples, gradient), **options)


def dreg(event_shape: Sequence[int], latent_dim: int = 16, *, samples: int = 5, **options) -> VAE:
    """The importance-weighted autoencoder with doubly reparameterized gradients.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        samples: K.
        **options: Arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Tucker, Lawson, Gu, Maddison, "Doubly Reparameterized Gradient Estimators for Monte Carlo
        Objectives", 2019, Eq. 8.
    """
    return iwae(event_shape, latent_dim, samples=samples, gradient="dreg", **options)


def beta_tcvae(
    event_shape: Sequence[int],
    latent_dim: int = 10,
    *,
    beta: float | Schedule = 6.0,
    alpha: float | Schedule = 1.0,
    gamma: float | Schedule = 1.0,
    examples: int | None = None,
    **options,
) -> VAE:
    """The beta-TCVAE: of the rate's three parts, the total correlation weighs beta times.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        beta: Weight of the total correlation.
        alpha: Weight of the mutual information.
        gamma: Weight of the dimension-wise KL.
        examples: Size of the training set; None: `fit` sees it.
        **options: Arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Chen, Li, Grosse, Duvenaud, "Isolating Sources of Disentanglement in VAEs", 2018, Eq. 4.
    """
    objective = BetaTCVAE(beta, alpha=alpha, gamma=gamma, examples=examples)
    return vae(event_shape, latent_dim, objective=objective, **options)


def factor_vae(
    event_shape: Sequence[int],
    latent_dim: int = 10,
    *,
    gamma: float | Schedule = 10.0,
    units: Sequence[int] = (256, 256, 256),
    **options,
) -> VAE:
    """The FactorVAE: a total correlation that a discriminator estimates weighs gamma times.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        gamma: Weight of the total correlation, beside the ELBO's own.
        units: Units of the discriminator's layers.
        **options: Arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Kim and Mnih, "Disentangling by Factorising", 2018, Eq. 2.
    """
    objective = FactorVAE(gamma, units=units)
    return vae(event_shape, latent_dim, objective=objective, **options)


def vamp_vae(
    event_shape: Sequence[int],
    latent_dim: int = 16,
    *,
    pseudo_inputs: int = 500,
    likelihood: str = "bernoulli",
    likelihood_options: Mapping | None = None,
    **options,
) -> VAE:
    """The VAE with a VampPrior: the prior is a mixture of posteriors of learned pseudo-inputs.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        pseudo_inputs: Components of the prior.
        likelihood: As in `vae`; it says what values the pseudo-inputs may have.
        likelihood_options: As in `vae`.
        **options: Arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Tomczak and Welling, "VAE with a VampPrior", 2018, Eq. 9.
    """
    low, high = (None, None) if likelihood == "normal" else (0.0, 1.0)
    if likelihood in OF_LEVELS:
        high = (likelihood_options or {}).get("levels", 256) - 1.0
    prior = priors.VampPrior(pseudo_inputs, low=low, high=high)
    given = {"likelihood": likelihood, "likelihood_options": likelihood_options}
    return vae(event_shape, latent_dim, prior=prior, **given, **options)


def nvp_vae(
    event_shape: Sequence[int],
    latent_dim: int = 16,
    *,
    couplings: int = 6,
    flow_hidden: Sequence[int] = (128, 128),
    **options,
) -> VAE:
    """The VAE whose prior is a real NVP.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        couplings: Affine couplings of the prior.
        flow_hidden: Units of the network of each coupling.
        **options: Arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Dinh, Sohl-Dickstein, Bengio, "Density Estimation using Real NVP", 2017.
        Chen et al., "Variational Lossy Autoencoder", 2017, Section 3.2 (a flow as prior).
    """
    return vae(event_shape, latent_dim, prior=priors.RealNVP(couplings, flow_hidden), **options)


def iaf_vae(
    event_shape: Sequence[int],
    latent_dim: int = 16,
    *,
    flow_steps: int = 4,
    flow_hidden: Sequence[int] = (200,),
    flow_context: int = 32,
    **options,
) -> VAE:
    """The VAE whose posterior is an inverse autoregressive flow.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        flow_steps: Steps of the flow.
        flow_hidden: Units of the network of each step.
        flow_context: Size of what each step sees of the encoder.
        **options: Arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Kingma et al., "Improving Variational Inference with Inverse Autoregressive Flow", 2016.
    """
    if "posterior" in options:
        raise UserError("posterior: this model's is the flow, leave it out")
    flow = {"steps": flow_steps, "hidden": flow_hidden, "context_size": flow_context}
    return vae(event_shape, latent_dim, posterior="iaf", posterior_options=flow, **options)


def conditional_vae(
    event_shape: Sequence[int],
    latent_dim: int = 16,
    *,
    classes: int = 10,
    context_size: int | None = None,
    conditional_prior: bool = True,
    **options,
) -> VAE:
    """The conditional VAE: encoder, decoder and prior know the label, or a vector, of an example.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        classes: Number of classes: the context is the label, `[batch]`, from 0.
        context_size: Where it is given, the context is a vector, `[batch, context_size]`.
        conditional_prior: Whether p(z|c) is learned, where no `prior` is given.
        **options: Arguments of `vae`.

    Returns:
        The model, uncompiled; `fit` takes data of (x, context), `sample` a `context`.

    References:
        Sohn, Lee, Yan, "Learning Structured Output Representation using Deep Conditional
        Generative Models", 2015, Eq. 4.
    """
    if context_size is None:
        conditioner = keras.layers.CategoryEncoding(classes, output_mode="one_hot")
    else:
        conditioner = keras.layers.Reshape((context_size,))
    if conditional_prior:
        options.setdefault("prior", priors.ConditionalNormal(conditioner))
    return vae(event_shape, latent_dim, conditioner=conditioner, **options)


_RECIPES = {
    recipe.__name__: recipe
    for recipe in (
        vae,
        beta_vae,
        iwae,
        miwae,
        dreg,
        beta_tcvae,
        factor_vae,
        vamp_vae,
        nvp_vae,
        iaf_vae,
        conditional_vae,
    )
}


def names() -> list[str]:
    """The names of all recipes."""
    return sorted(_RECIPES)


def get(name: str) -> Callable[..., VAE]:
    """Finds a recipe.

    Args:
        name: One of `names()`.

    Returns:
        The function that makes the model.

    Raises:
        UnknownNameError: If there is none of that name.
    """
    if name not in _RECIPES:
        raise unknown_name("recipe", name, _RECIPES)
    return _RECIPES[name]


def takes_labels(name: str) -> bool:
    """Whether a recipe's model is conditional on the class of an example."""
    return "classes" in inspect.signature(get(name)).parameters
