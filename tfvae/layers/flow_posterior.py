"""What the flow posteriors share: a normal sent through steps, each with its log determinant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.layers.base import DistributionLayer, min_scale_of, positive
from tfvae.layers.sizes import count_of
from tfvae.options.bounds import Depth, Positive
from tfvae.options.keywords import LayerOptions, Unpack

tfb = tfp.bijectors
tfd = tfp.distributions

__all__ = ["FlowChain", "FlowPosterior", "FlowStep"]


class FlowStep(Protocol):
    """One invertible map of vectors, `[*batch, event_size]`."""

    def forward(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The value at z, and the logarithm of |det ∂value/∂z|, `[*batch]`."""

    def inverse(self, z: tf.Tensor) -> tf.Tensor:
        """What `forward` makes z of, with its gradients."""


class FlowChain(tfb.Bijector):
    """Steps one after the other, whose log determinant comes with the value, in one pass.

    Args:
        steps: The steps, the first one first.
        anchor: `[*batch, 1]`, of the batch of the steps' parameters: a value of fewer examples
            meets each of them.
        name: Name of the bijector.
    """

    onto_all = True  # every step is one to one from all vectors to all vectors, see `spaces`

    def __init__(self, steps: Sequence[FlowStep], anchor: tf.Tensor, name: str = "flow"):
        self._steps, self._anchor = tuple(steps), anchor
        self._last: dict[str, tuple] = {}
        super().__init__(
            forward_min_event_ndims=1,
            dtype=anchor.dtype,
            parameters={"steps": steps, "anchor": anchor, "name": name},
            name=name,
        )

    def _passed(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The value at x and its log determinant, computed once for the latest x."""
        if "pass" not in self._last or self._last["pass"][0] is not x:
            z = x + tf.zeros_like(self._anchor)
            log_det = tf.zeros_like(z[..., 0])
            for step in self._steps:
                z, more = step.forward(z)
                log_det += more
            self._last["pass"] = (x, z, log_det)
        return self._last["pass"][1:]

    def _forward(self, x):
        return self._passed(x)[0]

    def _forward_log_det_jacobian(self, x):
        return self._passed(x)[1]

    def _inverse(self, y):
        z = y + tf.zeros_like(self._anchor)
        for step in reversed(self._steps):
            z = step.inverse(z)
        return z


class FlowPosterior(DistributionLayer):
    """Base: z₀ ~ N(μ, σ₀²), and z = f_T(… f_1(z₀)); log q(z) = log N(z₀) − Σ_t log |det ∂f_t|.

    A draw remembers the z₀ that it was made of, so its density costs nothing more. The density of
    any other z takes the inverses of the steps; that of the mean is in no closed form.

    The parameters are μ, the raw σ₀ and those of the steps, in this order. A concrete flow says
    how many these are, in `flow_params_size`, and makes the steps of them, in `make_steps`.

    Args:
        event_size: Number of elements of z.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        steps: Number of steps T.
        min_scale: The smallest σ₀: the density is unbounded as σ₀ → 0.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    event_argument = "event_size"
    roles = ("posterior",)

    def __init__(
        self,
        event_size: int,
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        *,
        steps: Depth = 4,
        min_scale: Positive = 1e-3,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(event_size, convert_to_tensor_fn, validate_args, **kwargs)
        if len(self.event_shape) != 1:
            raise UserError(f"event_size takes an integer above 0, got {event_size!r}")
        self.event_size = self.event_shape[0]
        self.steps = count_of("steps", steps)
        self.min_scale = min_scale_of(min_scale)

    def flow_params_size(self) -> int:
        """Number of parameters of all steps together."""
        raise NotImplementedError(f"{type(self).__name__} has to define flow_params_size()")

    def make_steps(self, params: tf.Tensor) -> list[FlowStep]:
        """Makes the steps of their parameters, `[*batch, flow_params_size]`."""
        raise NotImplementedError(f"{type(self).__name__} has to define make_steps(params)")

    def count_params_size(self) -> int:
        """Number of parameters: 2 event_size, and those of the steps."""
        return 2 * self.event_size + self.flow_params_size()

    def each_step(self, params: tf.Tensor, sizes: Sequence[int]) -> list[list[tf.Tensor]]:
        """Splits `[*batch, steps * sum(sizes)]`, step after step, into parts of these sizes."""
        return [
            tf.split(one, list(sizes), axis=-1) for one in tf.split(params, self.steps, axis=-1)
        ]

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the flow of `[*batch, params_size]` parameters."""
        sizes = [self.event_size, self.event_size, self.flow_params_size()]
        loc, raw, params = tf.split(self.flat(params), sizes, axis=-1)
        return self.through(loc, positive(raw, self.min_scale), self.make_steps(params))

    def through(
        self, loc: tf.Tensor, scale: tf.Tensor, steps: Sequence[FlowStep]
    ) -> tfd.Distribution:
        """Makes the distribution of N(loc, scale²) sent through the steps."""
        normal = tfd.Normal(loc, scale, validate_args=self.validate_args)
        return tfd.TransformedDistribution(
            self.independent(normal),
            FlowChain(steps, tf.zeros_like(loc[..., :1])),
            validate_args=self.validate_args,
            name=type(self).__name__,
        )

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "steps": self.steps, "min_scale": self.min_scale}
