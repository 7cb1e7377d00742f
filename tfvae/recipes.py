"""Published models by name: each a composition of parts, returned uncompiled."""

from __future__ import annotations

import functools
import inspect
import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import keras

from tfvae import latents, layers, networks, priors
from tfvae.errors import UserError, unknown_name
from tfvae.objectives import ELBO, IWAE, MIWAE, BetaTCVAE, FactorVAE, Objective
from tfvae.schedules import Linear, Schedule
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
    "ladder_vae",
    "miwae",
    "names",
    "nvp_vae",
    "takes_labels",
    "two_layer_vae",
    "vae",
    "vamp_vae",
    "vdvae",
    "vq_vae",
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
OWN_NETWORKS = ("vdvae",)  # recipes that take none of these
OPTIMIZERS = {
    "adam": functools.partial(keras.optimizers.Adam, beta_1=0.5, beta_2=0.9),
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}
CODE_PRIORS = {"categorical": priors.CodePrior, "transformer": priors.CodeTransformer}


def _trunks(
    event_shape: Sequence[int],
    network: str = "mlp",
    hidden: Sequence[int] = (200, 200),
    network_options: Mapping | None = None,
) -> tuple[keras.layers.Layer, keras.layers.Layer]:
    """The encoder's and the decoder's trunk of a name."""
    options = dict(network_options or {})
    if network == "mlp":
        return networks.MLP(hidden, **options), networks.MLP(hidden[::-1], **options)
    if network not in NETWORKS:
        raise unknown_name("network", network, NETWORKS)
    down, up = {
        "conv": (networks.ConvDown, networks.ConvUp),
        "resnet": (networks.ResNetDown, networks.ResNetUp),
    }[network]
    filters, units = options.pop("filters", (32, 64)), options.pop("units", None)
    return (
        down(filters, units=units, **options),
        up(filters[::-1], event_shape[:2], **options),
    )


def _compose(
    event_shape: Sequence[int],
    encoder: Callable[[Callable], keras.Model],
    up: keras.layers.Layer,
    *,
    likelihood: str = "bernoulli",
    likelihood_options: Mapping | None = None,
    conditioner: keras.layers.Layer | None = None,
    objective: Objective | None = None,
    beta: float | Schedule | None = None,
    free_bits: float | Schedule | None = None,
    capacity: float | Schedule | None = None,
    samples: int | None = None,
    **parts,
) -> VAE:
    """The model of an encoder, a decoder's trunk, and the options that all recipes take.

    Args:
        event_shape: Shape of one example, channels last.
        encoder: Makes the encoder, with what its first trunk has to pass: the scaling of x.
        up: Trunk of the decoder.
        likelihood: A name of `LIKELIHOODS`. `"categorical"` and `"discretized_logistic"` take
            the integer levels of an image.
        likelihood_options: Arguments of the likelihood's layer, such as `levels`.
        conditioner: Keras layer from the context to a vector, for a conditional model.
        objective: The objective; None: the ELBO, with the next four where they are given.
        beta: Weight of the rate, see `tfvae.objectives.ELBO`.
        free_bits: Floor of the rate, nats per latent group.
        capacity: Target of the rate, nats.
        samples: Posterior samples per example in the loss.
        **parts: `prior` or `latents`, `seed` and further arguments of `VAE`.

    Returns:
        The model, uncompiled.
    """
    if likelihood not in LIKELIHOODS:
        raise unknown_name("likelihood", likelihood, LIKELIHOODS)
    given = {"beta": beta, "free_bits": free_bits, "capacity": capacity, "samples": samples}
    given = {name: value for name, value in given.items() if value is not None}
    if objective is not None and given:
        raise UserError(
            f"{', '.join(given)}: of the ELBO, and this model's objective is "
            f"{type(objective).__name__}: leave it out"
        )
    head = LIKELIHOODS[likelihood](event_shape, **(likelihood_options or {}))

    def scaled(down: keras.layers.Layer) -> keras.layers.Layer:
        if likelihood not in OF_LEVELS:
            return down
        # The encoder sees the levels on [-1, 1]; the likelihood sees them as they are.
        half = (head.levels - 1) / 2
        return keras.Sequential([keras.layers.Rescaling(1 / half, offset=-1.0), down])

    return VAE(
        encoder(scaled),
        networks.Decoder(up, head, conditioner=conditioner),
        objective=objective or ELBO(**given),
        **parts,
    )


def vae(
    event_shape: Sequence[int],
    latent_dim: int = 16,
    *,
    network: str = "mlp",
    hidden: Sequence[int] = (200, 200),
    network_options: Mapping | None = None,
    posterior: str = "normal",
    posterior_options: Mapping | None = None,
    conditioner: keras.layers.Layer | None = None,
    **options,
) -> VAE:
    """The variational autoencoder: trunks by name, a posterior and a likelihood by name.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        network: `"mlp"`, `"conv"` or `"resnet"`.
        hidden: Units of the encoder's MLP; the decoder's has them in reverse.
        network_options: Arguments of the trunks of the other networks, such as `filters`;
            `units` is of the encoder's alone.
        posterior: A name of `POSTERIORS`.
        posterior_options: Arguments of the posterior's layer, such as `steps`.
        conditioner: Keras layer from the context to a vector, for a conditional model.
        **options: What every recipe takes: `likelihood`, `likelihood_options`, `objective` or
            the ELBO's `beta`, `free_bits`, `capacity` and `samples`, `prior`, `seed`.

    Returns:
        The model, uncompiled.

    Example:
        >>> model = tfvae.recipes.vae((8, 8, 1), latent_dim=2)
        >>> model.compile("adam")

    References:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014.
    """
    if posterior not in POSTERIORS:
        raise unknown_name("posterior", posterior, POSTERIORS)
    down, up = _trunks(event_shape, network, hidden, network_options)

    def encoder(scaled: Callable) -> keras.Model:
        head = POSTERIORS[posterior](latent_dim, **(posterior_options or {}))
        return networks.Encoder(scaled(down), head, conditioner=conditioner)

    return _compose(event_shape, encoder, up, conditioner=conditioner, **options)


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
    discriminator_learning_rate: float = 1e-4,
    discriminator_optimizer: str = "adam",
    **options,
) -> VAE:
    """The FactorVAE: a total correlation that a discriminator estimates weighs gamma times.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        gamma: Weight of the total correlation, beside the ELBO's own.
        units: Units of the discriminator's layers.
        discriminator_learning_rate: Of the discriminator's optimizer.
        discriminator_optimizer: `"adam"` (with the paper's 0.5 and 0.9), `"rmsprop"` or `"sgd"`.
        **options: Arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Kim and Mnih, "Disentangling by Factorising", 2018, Eq. 2.
    """
    if discriminator_optimizer not in OPTIMIZERS:
        raise unknown_name("discriminator_optimizer", discriminator_optimizer, OPTIMIZERS)
    optimizer = OPTIMIZERS[discriminator_optimizer](discriminator_learning_rate)
    objective = FactorVAE(gamma, units=units, optimizer=optimizer)
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
    flow_steps: int = 2,
    flow_hidden: Sequence[int] = (320,),
    flow_context: int = 200,
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


def _hierarchical(
    event_shape: Sequence[int],
    stages: Sequence[keras.layers.Layer],
    up: keras.layers.Layer,
    structure: latents.LatentStructure,
    *,
    conditioner: keras.layers.Layer | None = None,
    beta: float | Schedule | None = None,
    warm_up: int = 0,
    **options,
) -> VAE:
    """The model of a prior with a posterior of its own, for the features of the encoder's stages.

    Args:
        event_shape: Shape of one example, channels last.
        stages: Of the encoder, from x upwards.
        up: Trunk of the decoder.
        structure: How z is inferred and generated.
        conditioner: Keras layer from the context to a vector, for a conditional model.
        beta: Weight of the rate; None: 1, or what the objective has.
        warm_up: Steps of a line from zero to it, where it is a number.
        **options: What every recipe takes, see `vae`.

    Returns:
        The model, uncompiled.
    """
    for name in ("posterior", "prior", "latents"):
        if name in options:
            raise UserError(f"{name}: this model's structure has its own, leave it out")
    if warm_up and "objective" not in options and not isinstance(beta, Schedule):
        beta = Linear(0.0, 1.0 if beta is None else beta, warm_up)

    def encoder(scaled: Callable) -> keras.Model:
        return networks.BottomUp([scaled(stages[0]), *stages[1:]], conditioner=conditioner)

    shared = {"conditioner": conditioner, "latents": structure, "beta": beta}
    return _compose(event_shape, encoder, up, **shared, **options)


def _normals(hidden: Sequence[int], size: int, activation: str) -> keras.Model:
    """A network that returns independent normals."""
    return networks.Encoder(networks.MLP(hidden, activation), layers.IndependentNormal(size))


def two_layer_vae(
    event_shape: Sequence[int],
    latent_dim: int = 50,
    *,
    lower_dim: int | None = None,
    upper_hidden: Sequence[int] = (100, 100),
    activation: str = "tanh",
    warm_up: int = 1000,
    network: str = "mlp",
    hidden: Sequence[int] = (200, 200),
    network_options: Mapping | None = None,
    conditioner: keras.layers.Layer | None = None,
    **options,
) -> VAE:
    """Two stochastic layers: x - hidden - h_1 - upper_hidden - h_2, inferred from the bottom up.

    The defaults are the published model, x-200-200-100-100-100-50; groups `(h_2, h_1)`.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of variables of h_2.
        lower_dim: Those of h_1; None: twice as many.
        upper_hidden: Units between the two, in both directions.
        activation: Keras activation of all hidden layers of an MLP.
        warm_up: Steps over which beta rises from zero, where it is a number. Without it the upper
            layer may stay unused (Sønderby et al., "Ladder Variational Autoencoders", 2016).
        network: As in `vae`.
        hidden: Units of the encoder's MLP; the decoder's has them in reverse.
        network_options: As in `vae`.
        conditioner: Keras layer from the context to a vector, for a conditional model.
        **options: What every recipe takes, see `vae`.

    Returns:
        The model, uncompiled.

    References:
        Burda, Grosse, Salakhutdinov, "Importance Weighted Autoencoders", 2016, Section 5.
    """
    if network == "mlp":
        network_options = {"activation": activation, **(network_options or {})}
    down, up = _trunks(event_shape, network, hidden, network_options)
    lower = lower_dim or 2 * latent_dim
    normals = functools.partial(_normals, activation=activation)
    top = [] if conditioner is None else [normals([], latent_dim)]
    structure = latents.StochasticLayers(
        inference=[normals([], lower), normals(upper_hidden, latent_dim)],
        generation=[*top, normals(upper_hidden[::-1], lower)],
        conditioner=conditioner,
    )
    options |= {"conditioner": conditioner, "warm_up": warm_up}
    return _hierarchical(event_shape, [down], up, structure, **options)


def ladder_vae(
    event_shape: Sequence[int],
    latent_dim: int = 32,
    *,
    levels: int = 3,
    warm_up: int = 1000,
    network: str = "mlp",
    hidden: Sequence[int] = (200, 200),
    network_options: Mapping | None = None,
    conditioner: keras.layers.Layer | None = None,
    **options,
) -> VAE:
    """The ladder VAE: a deterministic pass upwards, then evidence and prior combined downwards.

    Each level has half the units and latent variables of the one below. Without the paper's batch
    normalization, which makes the likelihood of an example depend on the others.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables of the lowest level.
        levels: Number of levels.
        warm_up: Steps over which beta rises from zero, where it is a number.
        network: Trunk of the lowest level, as in `vae`.
        hidden: Units of the MLPs of the lowest level.
        network_options: As in `vae`.
        conditioner: Keras layer from the context to a vector, for a conditional model.
        **options: What every recipe takes, see `vae`.

    Returns:
        The model, uncompiled.

    References:
        Sønderby et al., "Ladder Variational Autoencoders", 2016, Section 2.
    """
    down, up = _trunks(event_shape, network, hidden, network_options)
    units = [[max(1, n >> level) for n in hidden] for level in range(levels)]
    sizes = [max(1, latent_dim >> level) for level in range(levels)]
    above = [*units[1:], None if conditioner is None else []]
    blocks = [latents.LadderBlock(sizes[k], k, above[k]) for k in reversed(range(levels))]
    stages = [down, *(networks.MLP(n) for n in units[1:])]
    structure = latents.TopDown(blocks, conditioner=conditioner)
    options |= {"conditioner": conditioner, "warm_up": warm_up}
    return _hierarchical(event_shape, stages, up, structure, **options)


def vdvae(
    event_shape: Sequence[int],
    latent_dim: int = 16,
    *,
    decoder: str | None = None,
    encoder: str | None = None,
    filters: int = 64,
    bottleneck: float = 0.25,
    warm_up: int = 1000,
    conditioner: keras.layers.Layer | None = None,
    **options,
) -> VAE:
    """The very deep VAE: residual blocks from the coarsest grid to the finest, z on each.

    Args:
        event_shape: Shape of one image, `(R, R, channels)`.
        latent_dim: Channels of z in each block.
        decoder: Blocks on each grid, such as `"14x2,7x2,1x1"`, see
            `tfvae.latents.very_deep_blocks`; None: two blocks on each grid from half the image's
            down to 4 or an odd size, then one at 1x1.
        encoder: Such as `"28x1,28d2,14x1,14d2,7x1,7d7,1x1"`, see
            `tfvae.networks.bottleneck_stages`; None: one block on each grid.
        filters: Channels of the state.
        bottleneck: Channels inside the bottlenecks, as a share of `filters`.
        warm_up: Steps over which beta rises from zero, where it is a number.
        conditioner: Keras layer from the context to a vector, for a conditional model.
        **options: What every recipe takes, see `vae`.

    Returns:
        The model, uncompiled.

    References:
        Child, "Very Deep VAEs Generalize Autoregressive Models and Can Outperform Them on
        Images", 2021.
    """
    given = [name for name in ("network", "hidden", "network_options") if name in options]
    if given:
        raise UserError(
            f"vdvae has networks of its own, which decoder, encoder, filters and bottleneck "
            f"describe: leave {' and '.join(given)} out"
        )
    size = event_shape[0]
    if len(event_shape) != 3 or event_shape[1] != size:
        raise UserError(f"vdvae takes square images, got the shape {tuple(event_shape)}")
    sizes = [size]
    while sizes[-1] % 2 == 0 and sizes[-1] > 4:
        sizes.append(sizes[-1] // 2)
    sizes += [1] if sizes[-1] > 1 else []
    ways = itertools.pairwise(sizes)
    encoder = encoder or ",".join([*(f"{r}x1,{r}d{r // s}" for r, s in ways), "1x1"])
    decoder = decoder or ",".join(f"{r}x{2 if r > 1 else 1}" for r in sizes[1:] or sizes)
    stages = networks.bottleneck_stages(encoder, filters, bottleneck)
    blocks = latents.very_deep_blocks(
        decoder, filters=filters, latent=latent_dim, bottleneck=bottleneck
    )
    doublings = round(math.log2(size / blocks[-1].size))
    up = keras.layers.Identity()
    if doublings:
        up = networks.ConvUp([filters] * doublings, event_shape[:2], activation="gelu")

    structure = latents.TopDown(blocks, conditioner=conditioner)
    options |= {"conditioner": conditioner, "warm_up": warm_up}
    return _hierarchical(event_shape, stages, up, structure, **options)


def vq_vae(
    event_shape: Sequence[int],
    latent_dim: int = 16,
    *,
    codes: int = 128,
    code_prior: str = "transformer",
    prior_steps: int = 1000,
    pieces: int = 16,
    commitment: float = 0.25,
    decay: float = 0.99,
    restart: float = 0.05,
    network: str = "conv",
    hidden: Sequence[int] = (200, 200),
    network_options: Mapping | None = None,
    conditioner: keras.layers.Layer | None = None,
    **options,
) -> VAE:
    """The vector-quantized VAE: a map of codes, and a prior over it that is fitted afterwards.

    `vae.latents.fit(vae, train)` fits it; the command line does so at the end of a run.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Numbers in an entry of the codebook.
        codes: Number of entries.
        code_prior: `"transformer"`, autoregressive, or `"categorical"`, one at each position.
        prior_steps: Steps in which the transformer is fitted.
        pieces: Codes of an example where the network is an MLP, which has no grid.
        commitment: Weight of the distance of the encoder's vectors to the codebook.
        decay: Of the codebook's moving means.
        restart: Share of the mean use below which an entry is put elsewhere; 0: never.
        network: As in `vae`.
        hidden: Units of the encoder's MLP; the decoder's has them in reverse.
        network_options: Arguments of the other networks; None: filters to a grid of 8 at most.
        conditioner: Keras layer from the context to a vector, for a conditional model.
        **options: What every recipe takes, see `vae`.

    Returns:
        The model, uncompiled.

    References:
        van den Oord, Vinyals, Kavukcuoglu, "Neural Discrete Representation Learning", 2017.
    """
    if code_prior not in CODE_PRIORS:
        raise unknown_name("code_prior", code_prior, CODE_PRIORS)
    if network != "mlp":
        halvings = max(1, math.ceil(math.log2(max(event_shape[:2]) / 8)))
        filters = [32, *[64] * (halvings - 1)]
        network_options = {"filters": filters, **(network_options or {}), "units": None}
    down, up = _trunks(event_shape, network, hidden, network_options)
    structure = latents.VectorQuantizer(
        codes,
        CODE_PRIORS[code_prior](**({"steps": prior_steps} if code_prior == "transformer" else {})),
        size=latent_dim,
        commitment=commitment,
        decay=decay,
        restart=restart,
        conditioner=conditioner,
    )
    # float32 under mixed precision too, as all that is held against the codebook.
    channels = latent_dim * (pieces if network == "mlp" else 1)
    vectors = keras.layers.Dense(channels, dtype=structure.variable_dtype)
    options |= {"conditioner": conditioner}
    return _hierarchical(event_shape, [down, vectors], up, structure, **options)


_RECIPES = {name: globals()[name] for name in set(__all__) - {"get", "names", "takes_labels"}}


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
