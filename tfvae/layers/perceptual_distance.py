"""The distance of two images in the features of a network, in the place of a likelihood."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from tfvae.errors import UserError
from tfvae.layers.energy import EnergyLayer
from tfvae.options.bounds import Positive
from tfvae.options.keywords import LayerOptions, Unpack

__all__ = ["PerceptualDistance"]

FILTERS = (16, 32, 64)  # of the network that is taken where none is given


def _untrained(shape: Sequence[int]) -> keras.Model:
    """Three convolutions with ReLU and fixed random kernels, the grid halved between them."""
    inputs = x = keras.Input(tuple(shape))
    outputs = []
    for number, filters in enumerate(FILTERS):
        if number:
            x = keras.layers.AveragePooling2D(2, padding="same", dtype="float32")(x)
        start = keras.initializers.HeNormal(seed=number)
        x = keras.layers.Conv2D(
            filters, 3, padding="same", activation="relu", kernel_initializer=start, dtype="float32"
        )(x)
        outputs.append(x)
    return keras.Model(inputs, outputs, name="untrained_features")


def _loaded(path: str) -> keras.Model:
    if not os.path.isfile(path):
        raise UserError(f"features: there is no file {path!r}: give a Keras model saved as .keras")
    try:
        return keras.saving.load_model(path, compile=False)
    except (ValueError, OSError, TypeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"features: {path!r} cannot be loaded as a Keras model: {reason}"
        ) from error


@keras.saving.register_keras_serializable(package="tfvae")
class PerceptualDistance(EnergyLayer):
    """An energy, not a likelihood: the distance of x and x̂ in the features of a network.

    E(x, x̂) = weight · Σ_l mean (φ_l(x) − φ_l(x̂))² / 2

    over the outputs φ_l of a network that is not trained here. exp(−E) is no density of x:
    `log_prob` of a model with it is refused, and what is logged is `energy` and `rate` in place of
    the ELBO.

    The paper takes three layers of a VGG-19 that was trained on ImageNet; such a model is given as
    `features`, with whatever it needs in front, as a `Rescaling`. Where none is given, nothing is
    downloaded: the network is three convolutions with random kernels, always the same ones. Their
    features respond to edges and spots at three scales, and know nothing of what images show.

    Args:
        event_shape: Shape of one image, `(height, width, channels)`, of values from 0 to 1.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        features: A Keras model from images to a tensor or several, or the path of one that was
            saved as `.keras`; None: random convolutions. It is saved with this layer.
        weight: What the distance is multiplied by, beside the rate in nats.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: If the event is no image, the weight not above 0, or the features are no model
            for such images.

    Example:
        >>> layer = PerceptualDistance((8, 8, 1))
        >>> p = layer(tf.zeros([5, layer.params_size]))
        >>> p.log_prob(tf.zeros([5, 8, 8, 1])).shape
        TensorShape([5])

    References:
        Hou, Shen, Sun, Qiu, "Deep Feature Consistent Variational Autoencoder", 2017, Eq. 4 and 5.
    """

    def __init__(
        self,
        event_shape: Sequence[int] = (),
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        *,
        features: str | keras.Model | None = None,
        weight: Positive = 1000.0,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(event_shape, convert_to_tensor_fn, validate_args, weight=weight, **kwargs)
        if isinstance(features, (str, os.PathLike)):
            features = _loaded(os.fspath(features))
        if not isinstance(features, (keras.layers.Layer, type(None))):
            raise UserError(f"features takes a Keras model, a path or None, got {features!r}")
        self.features = features or _untrained(self.event_shape)
        self.features.trainable = False
        taken, made = getattr(self.features, "input_shape", None), (1, *self.event_shape)
        if isinstance(taken, tuple) and not tf.TensorShape(taken).is_compatible_with(made):
            raise self._misfit_of_features(f"it takes {taken[1:]}")
        try:
            self.features(tf.zeros(made), training=False)  # which builds it, too
        except (ValueError, tf.errors.InvalidArgumentError) as error:
            raise self._misfit_of_features(str(error).strip().splitlines()[0]) from error

    def _misfit_of_features(self, reason: str) -> UserError:
        return UserError(
            f"features: {self.features.name} does not take images of shape {self.event_shape}: "
            f"{reason}"
        )

    def energy(self, x: tf.Tensor, made: tf.Tensor) -> tf.Tensor:
        """The sum over the layers of the mean squared distances, halved."""
        both = tf.nest.flatten(self.features(tf.concat([x, made], axis=0), training=False))
        total = tf.zeros(tf.shape(x)[:1], x.dtype)
        for layer in both:
            a, b = tf.split(tf.cast(layer, x.dtype), 2)
            axes = list(range(1, layer.shape.rank))
            total += 0.5 * tf.reduce_mean(tf.math.squared_difference(a, b), axis=axes)
        return total

    def get_config(self) -> dict:
        """Configuration for saving."""
        features = keras.saving.serialize_keras_object(self.features)
        return {**super().get_config(), "features": features}
