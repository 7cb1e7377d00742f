"""Product quantization: the pieces of a vector have codes of their own."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvae.distribute import fold_in
from tfvae.errors import UserError
from tfvae.latents.quantization import Quantization, Quantized
from tfvae.options.keywords import LayerOptions, Unpack

__all__ = ["Grouped"]


@keras.saving.register_keras_serializable(package="tfvae")
class Grouped(Quantization):
    """A vector cut into G pieces, each with a code and a rule of its own: K^G values of a vector.

    v = (v_1, ..., v_G);  k_g = argmin_k |v_g − e_k^g|²

    Args:
        rule: The rule of the first piece, such as `Codebook(64)`; the others have copies of it,
            with weights of their own.
        groups: G.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> quantizer = tfvae.latents.Quantizer(Grouped(Codebook(64), groups=2))
        >>> residual = tfvae.latents.Quantizer(Grouped(Residual(64, depth=4), groups=2))

    References:
        Jégou, Douze, Schmid, "Product Quantization for Nearest Neighbor Search", 2011, Eq. 8.
        Baevski, Schneider, Auli, "vq-wav2vec", 2020, Section 3.3.
    """

    def __init__(self, rule: Quantization, groups: int = 2, **kwargs: Unpack[LayerOptions]):
        if not isinstance(rule, Quantization):
            raise UserError(f"rule takes a rule such as Codebook(64), got {rule!r}")
        if groups != int(groups) or groups < 1:
            raise UserError(f"groups takes an integer from 1, got {groups!r}")
        size = None if rule.size is None else groups * rule.size
        super().__init__(rule.codes, groups * rule.depth, size, **kwargs)
        config = rule.get_config()
        config.pop("name")  # each copy has one of its own
        copies = [type(rule).from_config(dict(config)) for _ in range(groups - 1)]
        self.rules = [rule, *copies]

    def build(self, size=None):
        """Makes the weights of all rules, for pieces of `size` / G numbers."""
        if size % len(self.rules):
            raise UserError(
                f"groups={len(self.rules)} does not divide the {size} numbers of a vector"
            )
        for rule in self.rules:
            rule.build(size // len(self.rules))
        super().build(size)

    def _joined(self, codes: list[tf.Tensor]) -> tf.Tensor:
        if self.depth == 1:
            return codes[0]
        single = self.rules[0].depth == 1
        return tf.stack(codes, axis=-1) if single else tf.concat(codes, axis=-1)

    def nearest(self, vectors: tf.Tensor) -> tf.Tensor:
        """The codes of vectors, int32, `[..., depth]`: those of a piece beside each other."""
        pieces = tf.split(vectors, len(self.rules), axis=-1)
        return self._joined([r.nearest(piece) for r, piece in zip(self.rules, pieces, strict=True)])

    def look_up(self, codes: tf.Tensor) -> tf.Tensor:
        """The pieces that codes stand for, beside each other, `[..., size]`."""
        if self.depth == 1:
            return self.rules[0].look_up(codes)
        parts = tf.split(codes, len(self.rules), axis=-1)
        if self.rules[0].depth == 1:
            parts = [part[..., 0] for part in parts]
        found = [rule.look_up(part) for rule, part in zip(self.rules, parts, strict=True)]
        return tf.concat(found, axis=-1)

    def encode(self, vectors: tf.Tensor, *, seed: tf.Tensor, training: bool = False) -> Quantized:
        """Takes every piece to its codes; the penalty is the sum of the pieces'."""
        pieces = tf.split(vectors, len(self.rules), axis=-1)
        parts = [
            rule.encode(piece, seed=fold_in(seed, i), training=training)
            for i, (rule, piece) in enumerate(zip(self.rules, pieces, strict=True))
        ]
        return Quantized(
            self._joined([part.codes for part in parts]),
            tf.concat([part.vectors for part in parts], axis=-1),
            tf.add_n([part.penalty for part in parts]),
        )

    def get_config(self) -> dict:
        """Configuration for saving."""
        rule = keras.saving.serialize_keras_object(self.rules[0])
        return {**super().get_config(), "rule": rule, "groups": len(self.rules)}

    @classmethod
    def from_config(cls, config: dict) -> Grouped:
        """Makes the rule of its configuration."""
        return cls(**{**config, "rule": keras.saving.deserialize_keras_object(config["rule"])})
