"""Mixtures of distributions of one family."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.coercible import concrete
from tfvae.distributions.outside import log_sum_exp
from tfvae.errors import UserError
from tfvae.layers.base import DistributionLayer
from tfvae.layers.logistic import IndependentLogistic
from tfvae.layers.normal import IndependentNormal
from tfvae.layers.sizes import count_of
from tfvae.options.bounds import Count, Positive
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["Mixture", "MixtureLogistic", "MixtureNormal", "MixtureSameFamily"]


class Mixture(tfd.MixtureSameFamily):
    """tfp's mixture, with a gradient of zero and not NaN where no component has any density."""

    def _log_prob(self, x):
        components = self.components_distribution
        x = tf.expand_dims(x, axis=-1 - components.event_shape.rank)
        weights = tf.math.log_softmax(self.mixture_distribution.logits_parameter())
        return log_sum_exp(components.log_prob(x) + weights)


@keras.saving.register_keras_serializable(package="tfvae")
class MixtureSameFamily(DistributionLayer):
    """A mixture p(x) = Σ_k π_k p_k(x) whose components another probability layer makes.

    The first `num_components` parameters are the logits of π, then come those of each component.

    Args:
        num_components: Number of components K.
        component_layer: Probability layer of one component; its event is the mixture's.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        reparameterize: Whether samples carry gradients, by tfp's distributional transform; the
            components have to be independent in each dimension.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = MixtureSameFamily(3, IndependentNormal(2))
        >>> layer.params_size
        15
        >>> layer(tf.zeros([5, 15])).event_shape
        TensorShape([2])
    """

    event_argument = None
    roles = ()

    def __init__(
        self,
        num_components: Count,
        component_layer: DistributionLayer,
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        *,
        reparameterize: bool = False,
        **kwargs: Unpack[LayerOptions],
    ):
        if not isinstance(component_layer, DistributionLayer):
            raise UserError(
                f"component_layer takes a layer of tfvae.layers, got {type(component_layer)}"
            )
        num_components = count_of("num_components", num_components)
        super().__init__(component_layer.event_shape, convert_to_tensor_fn, validate_args, **kwargs)
        self.num_components = num_components
        self.component_layer = component_layer
        self.reparameterize = reparameterize

    def count_params_size(self) -> int:
        """Number of parameters: K logits and K times those of a component."""
        return self.num_components * (1 + self.component_layer.params_size)

    @classmethod
    def count_params_of(cls, *args, **kwargs) -> int:
        """Number of parameters; the component counts by its size or by its layer."""
        if cls is not MixtureSameFamily:
            return super().count_params_of(*args, **kwargs)
        given = dict(zip(("num_components", "component_layer"), args, strict=False)) | kwargs
        component = given.get("component_params_size", given.get("component_layer"))
        if isinstance(component, DistributionLayer):
            component = component.params_size
        size = count_of("component_params_size", component)
        return count_of("num_components", given.get("num_components")) * (1 + size)

    def build(self, input_shape):
        """Builds the component layer, which may have weights."""
        super().build(input_shape)
        if not self.component_layer.built:
            size = self.component_layer.params_size
            self.component_layer.build((*input_shape[:-1], self.num_components, size))
            self.component_layer.built = True

    def parts(self, params: tf.Tensor) -> tuple[tfd.Distribution, tfd.Distribution]:
        """The distributions of the component's index and of each component."""
        components, size = self.num_components, self.component_layer.params_size
        logits, rest = tf.split(self.flat(params), [components, components * size], axis=-1)
        rest = self._reshape(rest, params.shape.rank - 1, (components, size))
        mixture = tfd.Categorical(logits=logits, validate_args=self.validate_args)
        return mixture, concrete(self.component_layer.make_distribution(rest))

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the mixture of `[*batch, params_size]` parameters."""
        # tfp's own check refuses valid arguments here: validate_args stays off.
        return Mixture(*self.parts(params), reparameterize=self.reparameterize)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {
            **super().get_config(),
            "num_components": self.num_components,
            "component_layer": keras.saving.serialize_keras_object(self.component_layer),
            "reparameterize": self.reparameterize,
        }


class _MixtureOf(MixtureSameFamily):
    """A mixture whose component layer follows from the event shape."""

    component: type[DistributionLayer]
    event_argument = "event_shape"
    roles = ("posterior", "likelihood")

    def __init__(
        self,
        num_components: Count,
        event_shape: int | Sequence[int] = (),
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        *,
        min_scale: Positive = 1e-3,
        reparameterize: bool = False,
        **kwargs: Unpack[LayerOptions],
    ):
        dtype = kwargs.get("dtype")
        component = self.component(
            event_shape, validate_args=validate_args, min_scale=min_scale, dtype=dtype
        )
        super().__init__(
            num_components,
            component,
            convert_to_tensor_fn,
            validate_args,
            reparameterize=reparameterize,
            **kwargs,
        )
        self.min_scale = min_scale

    def get_config(self) -> dict:
        """Configuration for saving."""
        config = super().get_config()
        del config["component_layer"]
        return {**config, "min_scale": self.min_scale}


@keras.saving.register_keras_serializable(package="tfvae")
class MixtureNormal(_MixtureOf):
    """A mixture of independent normals, Σ_k π_k Π_j N(x_j; μ_kj, σ_kj²).

    Args:
        num_components: Number of components K.
        event_shape: Shape of one event: an integer or a tuple.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        min_scale: The smallest σ.
        reparameterize: Whether samples carry gradients.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> MixtureNormal.params_size(5, [1])
        15

    References:
        Bishop, "Mixture Density Networks", 1994.
    """

    component = IndependentNormal


@keras.saving.register_keras_serializable(package="tfvae")
class MixtureLogistic(_MixtureOf):
    """A mixture of independent logistics, Σ_k π_k Π_j Logistic(x_j; μ_kj, s_kj).

    Args:
        num_components: Number of components K.
        event_shape: Shape of one event: an integer or a tuple.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        min_scale: The smallest s.
        reparameterize: Whether samples carry gradients.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> MixtureLogistic.params_size(5, [1])
        15
    """

    component = IndependentLogistic
