"""Residual quantization: what one codebook leaves over, the next one takes."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvae.distribute import fold_in
from tfvae.errors import UserError
from tfvae.latents.codebook import Codebook
from tfvae.latents.quantization import Quantization, Quantized
from tfvae.options.keywords import LayerOptions, Unpack

__all__ = ["Residual"]


@keras.saving.register_keras_serializable(package="tfvae")
class Residual(Quantization):
    """A vector v as the sum of D entries, each the nearest to what those before it left over.

    r_0 = v;  k_d = argmin_k |r_{d−1} − e_k^d|²;  r_d = r_{d−1} − e_{k_d}^d;  v ≈ Σ_d e_{k_d}^d

    The commitment is the sum of that of all D steps, |r_{d−1} − e_{k_d}|².

    Args:
        codes: K, the number of entries of a codebook.
        depth: D, the codes of a vector.
        shared: Whether one codebook serves all D steps, as in Lee et al.; or each has its own, as
            in Zeghidour et al.
        commitment: Weight of the distances to the entries.
        decay: Of the codebooks' moving means.
        restart: Share of the mean use below which an entry is put elsewhere; 0: never.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> quantizer = tfvae.latents.Quantizer(Residual(64, depth=4))

    References:
        Lee et al., "Autoregressive Image Generation using Residual Quantization", 2022, Eqs. 3
        to 5 and 9.
        Zeghidour et al., "SoundStream: An End-to-End Neural Audio Codec", 2021, Algorithm 1.
    """

    def __init__(
        self,
        codes: int = 128,
        depth: int = 4,
        *,
        shared: bool = False,
        commitment: float = 0.25,
        decay: float = 0.99,
        restart: float = 0.05,
        **kwargs: Unpack[LayerOptions],
    ):
        if depth != int(depth) or depth < 1:
            raise UserError(f"depth takes an integer from 1, got {depth!r}")
        super().__init__(codes, int(depth), **kwargs)
        self.options = {"commitment": commitment, "decay": decay, "restart": restart}
        self.shared = bool(shared)
        self.codebooks = [
            Codebook(codes, dtype=self.dtype_policy, **self.options)
            for _ in range(1 if shared else self.depth)
        ]

    @property
    def steps(self) -> list[Codebook]:
        """The codebook of each step."""
        return [self.codebooks[0]] * self.depth if self.shared else list(self.codebooks)

    def build(self, size=None):
        """Makes the entries, of `size` numbers each."""
        for codebook in self.codebooks:
            codebook.build(size)
        super().build(size)

    def _descend(self, vectors: tf.Tensor) -> tuple[list, list, list]:
        """The codes and entries of all steps, and what each step found left over."""
        codes, entries, rests = [], [], []
        for codebook in self.steps:
            rests.append(vectors)
            codes.append(codebook.nearest(vectors))
            entries.append(tf.stop_gradient(codebook.look_up(codes[-1])))
            vectors -= entries[-1]
        return codes, entries, rests

    def nearest(self, vectors: tf.Tensor) -> tf.Tensor:
        """The codes of vectors, int32, `[..., depth]`."""
        return self._stacked(self._descend(vectors)[0])

    def _stacked(self, codes: list[tf.Tensor]) -> tf.Tensor:
        return tf.stack(codes, axis=-1) if self.depth > 1 else codes[0]

    def look_up(self, codes: tf.Tensor) -> tf.Tensor:
        """The sums of the entries, `[..., size]`."""
        each = tf.unstack(codes, self.depth, axis=-1) if self.depth > 1 else [codes]
        return tf.add_n([book.look_up(k) for book, k in zip(self.steps, each, strict=True)])

    def encode(self, vectors: tf.Tensor, *, seed: tf.Tensor, training: bool = False) -> Quantized:
        """Takes vectors to their codes and the sums of entries, see `Quantization.encode`."""
        codes, entries, rests = self._descend(vectors)
        penalties = [
            codebook.penalty(*pair)
            for codebook, *pair in zip(self.steps, rests, entries, strict=True)
        ]
        if training:  # all steps are taken first: a shared codebook is one for all of them
            given = (
                ([tf.stack(rests, -2)], [tf.stack(codes, -1)]) if self.shared else (rests, codes)
            )
            for i, (codebook, rest, k) in enumerate(zip(self.codebooks, *given, strict=True)):
                flat = tf.reshape(tf.stop_gradient(rest), [-1, rest.shape[-1]])
                codebook.learn(flat, tf.reshape(k, [-1]), fold_in(seed, i))
        through = vectors + tf.stop_gradient(tf.add_n(entries) - vectors)
        return Quantized(self._stacked(codes), through, tf.add_n(penalties))

    def get_config(self) -> dict:
        """Configuration for saving."""
        own = {"codes": self.codes, "depth": self.depth, "shared": self.shared}
        return {**super().get_config(), **own, **self.options}
