"""`DistributionLayer`: a Keras layer from a tensor of parameters to a distribution."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.coercible import TensorDistribution
from tfvae.errors import UserError
from tfvae.layers.conversions import conversion, converter
from tfvae.layers.sizes import count_of, event_shape_of
from tfvae.layers.symbolic import SymbolicDistribution
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = [
    "DistributionLayer",
    "levels_of",
    "min_scale_of",
    "positive",
    "saved_function",
]


def levels_of(value: int) -> int:
    """Checks a number of levels, 2 or more, and returns it."""
    return count_of("levels", value, least=2)


def min_scale_of(value: float) -> float:
    """Checks the floor of a scale, a number above 0, and returns it."""
    if not value > 0:
        raise UserError(f"min_scale takes a number above 0, got {value!r}")
    return value


def positive(raw: tf.Tensor, minimum: float) -> tf.Tensor:
    """Maps real numbers to numbers above `minimum`: `softplus(raw) + minimum`."""
    return tf.math.softplus(raw) + minimum


def saved_function(layer: keras.layers.Layer, argument: str, function: str | Callable | None):
    """What a configuration holds of a function that was given to a layer.

    Args:
        layer: The layer, for the message.
        argument: The argument's name, likewise.
        function: The function, or a name in its place.

    Returns:
        Plain data that Keras makes the function of again.

    Raises:
        UserError: If the function is a lambda.
    """
    if getattr(function, "__name__", "") == "<lambda>":
        raise UserError(
            f"{layer.name}: a lambda cannot be saved as {argument}: register a function with "
            "keras.saving.register_keras_serializable"
        )
    return keras.saving.serialize_keras_object(function)


class _ParamsSize:
    """`layer.params_size` is an integer; `Layer.params_size(*args)` is that of `Layer(*args)`."""

    def __get__(self, layer, owner):
        if layer is not None:
            return layer.count_params_size()

        def params_size(*args, name=None, **kwargs) -> int:
            del name  # tfp.layers has it
            return owner.count_params_of(*args, **kwargs)

        return params_size


class DistributionLayer(keras.layers.Layer):
    """Base of the probability layers: maps parameters to a `tfd.Distribution`.

    A concrete layer says how many parameters an element of the event takes and makes the
    distribution of them in `make_distribution`. Its weights, if any, are made with `add_weight`
    in `build`. Parameters, weights and densities are float32 under any policy but float64.

    The input holds the parameters of one event either flat, `[*batch, params_size]`, or in place,
    `[*batch, *event_shape[:-1], params_size / prod(event_shape[:-1])]`, as a convolution leaves
    them. The output is a distribution of batch shape `[*batch]` that also counts as the tensor
    that `convert_to_tensor_fn` makes of it, so the layer can stand in Sequential and functional
    models.

    On the class, `params_size` is a function of the arguments that size the layer, as in
    `tfp.layers`: `IndependentNormal.params_size(3) == IndependentNormal(3).params_size == 6`.

    Args:
        event_shape: Shape of one event: an integer or a tuple.
        convert_to_tensor_fn: What the output is where a tensor is needed: `"sample"`, `"mean"`,
            `"mode"`, `"stddev"`, `"variance"`, or a callable of the distribution (registered
            with `keras.saving.register_keras_serializable` where the layer is to be saved).
        validate_args: Whether tfp checks parameters and values at run time.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    params_per_element = 1  # None: inputs of any size
    event_argument = "event_shape"  # the constructor's name for it, None if it has none
    # What a recipe and the command line take the layer for, by its name: `"likelihood"`,
    # `"posterior"`; none where it is made of other objects.
    roles = ("likelihood",)
    # The data that a likelihood of this name is given: `"unit"`, grey values on [0, 1] or bits;
    # `"levels"`, the integers of an image, or counts.
    values = "unit"
    params_size = _ParamsSize()

    def __init__(
        self,
        event_shape: int | Sequence[int] = (),
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        **kwargs: Unpack[LayerOptions],
    ):
        # float32 whatever the policy: in 16 bits a log-probability would be wrong by nats.
        wide = keras.dtype_policies.get(kwargs.pop("dtype", None)).variable_dtype == "float64"
        super().__init__(dtype="float64" if wide else "float32", **kwargs)
        self.event_shape = event_shape_of(event_shape)
        self.convert_to_tensor_fn = conversion(convert_to_tensor_fn)
        self.validate_args = validate_args
        self._flat = None
        self.step = None
        if hasattr(self.activity_regularizer, "attach"):
            self.activity_regularizer.attach(self)

    def count_params_size(self) -> int:
        """Number of parameters that one event takes; `params_size` gives it."""
        if self.params_per_element is None:
            raise UserError(
                f"{type(self).__name__} has no params_size: it takes inputs of any size"
            )
        return int(np.prod(self.event_shape, dtype=int)) * self.params_per_element

    @classmethod
    def count_params_of(cls, *args, **kwargs) -> int:
        """Number of parameters that `cls(*args, **kwargs)` takes for one event."""
        # A layer with a name of its own does not advance Keras's counter of names.
        return cls(*args, name="params_size", **kwargs).count_params_size()

    @classmethod
    def new(cls, params: tf.Tensor, *args, **kwargs) -> tfd.Distribution:
        """Makes the distribution of `params`, flat, without a layer.

        The arguments are those of `new` in `tfp.layers`, in its order: the constructor's but for
        `convert_to_tensor_fn`, with `dtype`, the data type of the samples, for `sample_dtype`.

        Args:
            params: Parameters `[*batch, params_size]`, whose float type is the distribution's.
            *args: Arguments that size the layer, such as the event shape.
            **kwargs: Further arguments. `dtype` is the float type where the class has no
                `sample_dtype`.

        Returns:
            The `tfd.Distribution`.

        Raises:
            UserError: If an argument is given twice, or the layer has weights, which nobody would
                train.

        Example:
            >>> IndependentBernoulli.new(tf.zeros([5, 3]), 3, tf.int32).sample().dtype
            tf.int32
        """
        params = tf.convert_to_tensor(params)
        known = inspect.signature(cls.__init__).parameters.values()
        order = [p.name for p in known if p.kind is p.POSITIONAL_OR_KEYWORD][1:]
        samples_have_type = "sample_dtype" in order
        order = [name for name in order if name != "convert_to_tensor_fn"] + ["name"]
        order = ["dtype" if name == "sample_dtype" else name for name in order]
        given = dict(zip(order, args, strict=False)) | kwargs
        if len(args) + len(kwargs) > len(given):
            raise UserError(f"{cls.__name__}.new takes each of {', '.join(order)} once")
        given["name"] = given.get("name") or "new"
        dtype = given.pop("dtype", None)
        if samples_have_type:
            given["sample_dtype"] = dtype
        elif dtype or not params.dtype.is_floating:
            params = tf.cast(params, dtype or keras.config.floatx())
        layer = cls(**given)
        layer.build(params.shape)
        if layer.weights:
            raise UserError(
                f"{cls.__name__}.new has no layer to keep weights in, and these arguments ask for "
                "some: make the layer and call it"
            )
        return layer.make_distribution(params)

    def build(self, input_shape):
        """Notes whether the parameters come flat, where the shape alone cannot tell."""
        self._flat = len(input_shape) <= 2

    def per_element(self, params: tf.Tensor, rank: int | None = None) -> tf.Tensor:
        """Reshapes parameters to `[*batch, *event_shape[:rank], parameters of each]`.

        Flat parameters and parameters in place have the same order in memory: those of one
        element stand together.

        Args:
            params: Flat or in place, as the class says.
            rank: How many dimensions of the event to lay out; all by default.

        Returns:
            The parameters in the shape of the event.

        Raises:
            UserError: If the shape of `params` fits neither form.
        """
        event = self.event_shape[:rank]
        batch, _ = self._batch_rank(params)
        size = self.params_size // int(np.prod(event, dtype=int))
        return self._reshape(params, batch, (*event, size))

    def flat(self, params: tf.Tensor) -> tf.Tensor:
        """Checks that parameters are flat, `[*batch, params_size]`, and returns them."""
        if params.shape[-1] != self.params_size:
            raise self._misfit(params)
        return params

    def split(self, params: tf.Tensor) -> list[tf.Tensor]:
        """Splits parameters into `params_per_element` tensors of shape `[*batch, *event_shape]`.

        Flat parameters hold all of the first kind, then all of the second (as in `tfp.layers`);
        in place each position holds first its first kind, for each channel, then its second.

        Args:
            params: Flat or in place, as the class says.

        Returns:
            `params_per_element` tensors.

        Raises:
            UserError: If the shape of `params` fits neither form.
        """
        parts = self.params_per_element
        batch, flat = self._batch_rank(params)
        pieces = tf.split(params, parts, axis=-1) if parts > 1 else [params]
        if flat:
            return [self._reshape(piece, batch, self.event_shape) for piece in pieces]
        static = params.shape[:batch].concatenate(self.event_shape)
        return [tf.ensure_shape(piece, static) for piece in pieces]

    def _batch_rank(self, params: tf.Tensor) -> tuple[int, bool]:
        """Rank of the batch, and whether the parameters are flat."""
        shape, event, size = params.shape, self.event_shape, self.params_size
        rank = len(event)
        lead = event[:-1]
        flat = shape[-1] == size
        placed = (
            rank > 1
            and shape.rank > rank
            and shape[-rank:].is_compatible_with((*lead, size // int(np.prod(lead, dtype=int))))
        )
        if (
            flat and placed
        ):  # Events with leading axes of 1 fit both forms: the first input has told which it is.
            flat = bool(self._flat)
        if not (flat or placed):
            raise self._misfit(params)
        return shape.rank - (1 if flat else rank), flat

    def _misfit(self, params: tf.Tensor) -> UserError:
        size = self.params_size
        return UserError(
            f"{self.name} takes {size} parameters for an event of shape {self.event_shape}, got "
            f"an input of shape {tuple(params.shape)}: put a projection to {size} units before it"
        )

    def _reshape(self, params: tf.Tensor, batch: int, event: tuple[int, ...]) -> tf.Tensor:
        static = params.shape[:batch].concatenate(event)
        if params.shape.is_fully_defined():
            return tf.reshape(params, static)
        target = tf.concat([tf.shape(params)[:batch], tf.constant(event, tf.int32)], axis=0)
        return tf.ensure_shape(tf.reshape(params, target), static)

    def independent(self, distribution: tfd.Distribution) -> tfd.Distribution:
        """Makes the elements of the event independent parts of one event."""
        ndims = len(self.event_shape) - distribution.event_shape.rank
        return tfd.Independent(
            distribution, reinterpreted_batch_ndims=ndims, validate_args=self.validate_args
        )

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the distribution of one batch of parameters.

        Args:
            params: Tensor of parameters, flat or in place.

        Returns:
            A `tfd.Distribution` of batch shape `[*batch]` and event shape `event_shape`.
        """
        raise NotImplementedError(f"{type(self).__name__} has to define make_distribution(params)")

    def advance(self, training: bool | None) -> None:
        """Counts a training step, where the layer has a number that follows a schedule."""
        if training and self.step is not None:
            self.step.assign_add(1)

    def wrap(self, distribution: tfd.Distribution) -> TensorDistribution:
        """Wraps a distribution in one that also counts as a tensor."""
        return TensorDistribution(distribution, converter(self.convert_to_tensor_fn))

    def call(self, params: tf.Tensor, training: bool | None = None) -> TensorDistribution:
        """Returns the distribution, which also counts as a tensor."""
        self.advance(training)
        params = tf.cast(tf.convert_to_tensor(params), self.variable_dtype)
        return self.wrap(self.make_distribution(params))

    def compute_output_spec(self, *args, **kwargs) -> SymbolicDistribution:
        """The distribution without numbers, for models that are built symbolically."""
        return SymbolicDistribution(self.call, args, kwargs)

    def get_config(self) -> dict:
        """Configuration for saving."""
        event = {self.event_argument: list(self.event_shape)} if self.event_argument else {}
        return {
            **super().get_config(),
            **event,
            "convert_to_tensor_fn": saved_function(
                self, "convert_to_tensor_fn", self.convert_to_tensor_fn
            ),
            "validate_args": self.validate_args,
        }

    @classmethod
    def from_config(cls, config: dict) -> DistributionLayer:
        """Makes the layer of its configuration."""
        config = dict(config)
        for key, value in config.items():
            if isinstance(value, dict) and "class_name" in value:
                config[key] = keras.saving.deserialize_keras_object(value)
        return cls(**config)
