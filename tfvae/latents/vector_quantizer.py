"""Vector quantization: a codebook, and a prior over maps of codes."""

from __future__ import annotations

import keras

from tfvae.latents.codebook import Codebook
from tfvae.latents.quantizer import Quantizer
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.priors.code_prior import CodePrior

__all__ = ["VectorQuantizer"]


@keras.saving.register_keras_serializable(package="tfvae")
class VectorQuantizer(Quantizer):
    """The VQ-VAE: z is a map of codes k, of the entries e_k next to the encoder's vectors.

    The `Quantizer` whose rule is a `Codebook`: the gradient passes straight through to the
    encoder's vectors v, which

    commitment · mean over positions of |v − e_k|²

    holds near the codebook. That is learned as moving means of the vectors next to each entry, see
    `Codebook`.

    Args:
        codes: K, the number of entries.
        code_prior: p(k): `CodePrior`, a categorical at each position, if None; `CodeTransformer`.
        size: Numbers in an entry: the encoder's channels are cut into pieces of this size; None:
            they are one piece.
        commitment: Weight of the encoder's distance to the codebook.
        decay: Of the moving means.
        restart: Share of the mean use below which an entry is put elsewhere; 0: never.
        conditioner: Keras layer from the context to a vector, for a conditional prior. Weights of
            its own learn nothing here: share it with encoder or decoder then.
        **kwargs: Arguments of `keras.layers.Layer`.

    Attributes:
        event_shape: Shape of the map of codes.

    Example:
        >>> features = keras.Sequential([keras.layers.Conv2D(4, 3, 2), keras.layers.Conv2D(2, 1)])
        >>> decoder = Decoder(MLP([16]), tfvae.layers.IndependentBernoulli((8, 8, 1)))
        >>> vae = tfvae.VAE(features, decoder, latents=VectorQuantizer(codes=128))
        >>> vae.compile("adam")
        >>> history = vae.fit(train)
        >>> vae.latents.fit(vae, train)
        >>> images = vae.sample(16)

    References:
        van den Oord, Vinyals, Kavukcuoglu, "Neural Discrete Representation Learning", 2017,
        Eqs. 2 and 3.
    """

    def __init__(
        self,
        codes: int = 512,
        code_prior: CodePrior | None = None,
        *,
        size: int | None = None,
        commitment: float = 0.25,
        decay: float = 0.99,
        restart: float = 0.05,
        conditioner: keras.layers.Layer | None = None,
        **kwargs: Unpack[LayerOptions],
    ):
        codebook = Codebook(codes, commitment=commitment, decay=decay, restart=restart)
        super().__init__(codebook, code_prior, size=size, conditioner=conditioner, **kwargs)

    @property
    def codebook(self) -> Codebook:
        """The entries."""
        return self.rule

    def get_config(self) -> dict:
        """Configuration for saving."""
        config = super().get_config()
        config.pop("rule")
        own = {name: getattr(self.rule, name) for name in ("commitment", "decay", "restart")}
        return {**config, "codes": self.codes, **own}
