"""Encoder and decoder of several modalities, of which an example may lack some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.coercible import concrete, returned
from tfvae.distributions.experts import mixture_of_experts, mixture_of_products, product_of_experts
from tfvae.distributions.parts import Parts, split_parts
from tfvae.errors import UserError, unknown_name
from tfvae.networks.conditional import build_by_call
from tfvae.options.bounds import Share
from tfvae.options.keywords import ModelOptions, Unpack

tfd = tfp.distributions

__all__ = ["MultimodalDecoder", "MultimodalEncoder"]

EXPERTS = {
    "product": product_of_experts,
    "mixture": mixture_of_experts,
    "mixture_of_products": mixture_of_products,
}
MOST = 8  # modalities of a mixture of products: it has a component for each subset of them


def _checked(what: str, networks: Mapping[str, keras.layers.Layer]) -> dict:
    """The networks in the order of the names, which is that of the data."""
    if not isinstance(networks, Mapping) or not networks:
        raise UserError(f"{what} takes a dict of networks by the name of the modality")
    for name, network in networks.items():
        if not isinstance(network, keras.layers.Layer):
            raise UserError(f"{what} takes Keras layers, got {network!r} for {name}")
    return {name: networks[name] for name in sorted(networks)}


class _OfModalities(keras.Model):
    """What encoder and decoder share: a network for each modality, by name.

    Args:
        **kwargs: Arguments of `keras.Model`.
    """

    def build(self, inputs_shape, context_shape=None):
        """Makes all weights for inputs `[batch, *shape]` and a context `[batch, ...]`."""
        build_by_call(self.call, inputs_shape, context_shape)

    @property
    def conditioner(self) -> keras.layers.Layer | None:
        """That of the first of its networks; they share it where the model is conditional."""
        networks = getattr(self, "encoders", None) or self.decoders
        return getattr(next(iter(networks.values())), "conditioner", None)

    @classmethod
    def from_config(cls, config: dict) -> _OfModalities:
        """Makes the network of its configuration."""
        return cls(**keras.saving.deserialize_keras_object(config))


@keras.saving.register_keras_serializable(package="tfvae")
class MultimodalEncoder(_OfModalities):
    """q(z|x) of the modalities that x has: their normal experts as one distribution.

    A modality is missing where all of it is NaN; with none at all, q(z|x) is the standard normal.

    Args:
        encoders: For each modality, by name, an `Encoder` with the head `IndependentNormal`.
        shapes: The shape of each modality's data.
        experts: `"product"`, exact and normal (Wu and Goodman 2018), `"mixture"` (Shi et al. 2019)
            or `"mixture_of_products"` (Sutter et al. 2021), of at most eight modalities.
        drop: Share of the modalities that a training step leaves out of q(z|x), at random, so
            that z follows from each of them alone as well. The bound stays one: all that x has
            is still explained.
        **kwargs: Arguments of `keras.Model`.

    Raises:
        UserError: If names and shapes do not fit, or an expert is no normal distribution.

    Example:
        >>> shapes = {"image": (8, 8, 1), "label": (10,)}
        >>> def expert():
        ...     return Encoder(MLP([32]), IndependentNormal(2))
        >>> encoder = MultimodalEncoder({name: expert() for name in shapes}, shapes)
        >>> encoder(tf.zeros([4, 74])).event_shape
        TensorShape([2])

    References:
        Wu and Goodman, "Multimodal Generative Models for Scalable Weakly-Supervised Learning",
        2018. Shi, Siddharth, Paige, Torr, "Variational Mixture-of-Experts Autoencoders for
        Multi-Modal Deep Generative Models", 2019. Sutter, Daunhawer, Vogt, "Generalized Multimodal
        ELBO", 2021.
    """

    def __init__(
        self,
        encoders: Mapping[str, keras.layers.Layer],
        shapes: Mapping[str, Sequence[int]],
        *,
        experts: Literal["product", "mixture", "mixture_of_products"] = "product",
        drop: Share = 0.0,
        **kwargs: Unpack[ModelOptions],
    ):
        super().__init__(**kwargs)
        if experts not in EXPERTS:
            raise unknown_name("experts", experts, EXPERTS)
        if not 0.0 <= drop < 1.0:
            raise UserError(f"drop takes a number from 0 below 1, got {drop!r}")
        self.encoders = _checked("encoders", encoders)
        if set(shapes) != set(self.encoders):
            raise UserError(
                f"encoders are there for {', '.join(self.encoders)}, and shapes for "
                f"{', '.join(sorted(shapes))}: give both of the same names"
            )
        if experts == "mixture_of_products" and len(shapes) > MOST:
            raise UserError(
                f"experts='mixture_of_products' has {2 ** len(shapes) - 1} components for "
                f"{len(shapes)} modalities: take 'product' or 'mixture', or at most {MOST}"
            )
        self.shapes = {name: tuple(shapes[name]) for name in self.encoders}
        self.experts, self.drop = experts, float(drop)
        self.dropout = keras.layers.Dropout(self.drop) if drop else None

    @property
    def modalities(self) -> dict[str, tuple[int, ...]]:
        """The shape of each modality's data: what a dict of them is held against."""
        return dict(self.shapes)

    def call(self, inputs, context=None, training=False) -> tfd.Distribution:
        """Returns the distribution, batch shape `[batch]`."""
        given = {} if context is None else {"context": context}
        flat = tf.reshape(inputs, [-1, _size(inputs)])
        locs, scales, present = [], [], []
        for name, part in split_parts(flat, self.shapes).items():
            missing = tf.math.is_nan(part)
            seen = ~tf.reduce_all(missing, axis=list(range(1, part.shape.rank)))
            part = tf.where(missing, tf.zeros([], part.dtype), part)
            if not self.shapes[name]:
                part = part[:, tf.newaxis]  # a number, as a vector of one
            expert = self.encoders[name](part, training=training, **given)
            expert = concrete(returned(f"encoder of {name}", expert))
            base = getattr(expert, "distribution", expert)
            if not isinstance(base, tfd.Normal) or expert.event_shape.rank != 1:
                raise UserError(
                    f"the encoder of {name} returned {expert.name}: experts are independent "
                    "normals, take the head IndependentNormal(size)"
                )
            locs.append(expert.mean())
            scales.append(expert.stddev())
            present.append(seen)
        present = tf.stack(present)
        if self.dropout is not None:
            kept = self.dropout(tf.ones(tf.shape(present)), training=training)
            present &= tf.cast(kept, tf.float32) > 0.0
        return EXPERTS[self.experts](tf.stack(locs), tf.stack(scales), present)

    def get_config(self) -> dict:
        """Configuration for saving."""
        encoders = {k: keras.saving.serialize_keras_object(v) for k, v in self.encoders.items()}
        numbers = {"shapes": self.shapes, "experts": self.experts, "drop": self.drop}
        return {**super().get_config(), "encoders": encoders, **numbers}


@keras.saving.register_keras_serializable(package="tfvae")
class MultimodalDecoder(_OfModalities):
    """p(x|z) = Π_m p(x_m|z): a decoder for each modality; one that x lacks does not count.

    Args:
        decoders: For each modality, by name, a `Decoder` or any Keras layer from z to a
            `tfd.Distribution` over its data.
        event_shape: Shape of x, where it is one array whose values, in a row, are those of the
            modalities one behind the other; None: x is a dict of arrays.
        **kwargs: Arguments of `keras.Model`.

    Example:
        >>> heads = {"image": IndependentBernoulli((8, 8, 1)), "label": OneHotCategorical(10)}
        >>> decoder = MultimodalDecoder({k: Decoder(MLP([32]), v) for k, v in heads.items()})
        >>> sorted(decoder.unpacked(decoder(tf.zeros([4, 2])).mean()))
        ['image', 'label']

    References:
        Wu and Goodman, "Multimodal Generative Models for Scalable Weakly-Supervised Learning",
        2018, Section 2.2.
    """

    def __init__(
        self,
        decoders: Mapping[str, keras.layers.Layer],
        *,
        event_shape: Sequence[int] | None = None,
        **kwargs: Unpack[ModelOptions],
    ):
        super().__init__(**kwargs)
        self.decoders = _checked("decoders", decoders)
        self.event_shape = None if event_shape is None else tuple(event_shape)
        self._shapes: dict[str, tuple] = {}  # of the data, seen when it is called

    def call(self, inputs, context=None, training=False) -> tfd.Distribution:
        """Returns the distribution, batch shape `[batch]`."""
        given = {} if context is None else {"context": context}
        parts = {
            name: concrete(
                returned(f"decoder of {name}", decoder(inputs, training=training, **given))
            )
            for name, decoder in self.decoders.items()
        }
        if not self._shapes:
            self._shapes = {name: tuple(part.event_shape) for name, part in parts.items()}
        return Parts(parts, self.event_shape)

    def unpacked(self, x: tf.Tensor):
        """Data by the names of the modalities, or as the one array that they are.

        Args:
            x: `[..., size]`, or `[..., *event_shape]`.
        """
        if self.event_shape is not None:
            return x
        return split_parts(x, self._shapes)

    def get_config(self) -> dict:
        """Configuration for saving."""
        decoders = {k: keras.saving.serialize_keras_object(v) for k, v in self.decoders.items()}
        return {**super().get_config(), "decoders": decoders, "event_shape": self.event_shape}


def _size(x: tf.Tensor) -> int:
    return int(tf.TensorShape(x.shape[1:]).num_elements())
