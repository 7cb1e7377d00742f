"""What `**kwargs` of a part stand for, so that a type checker finds a misspelt keyword.

A part hands on what it does not know, in the end to `keras.layers.Layer`, which refuses unknown
names at run time; a signature such as `def __init__(self, ..., **kwargs: Unpack[LayerOptions])`
says it before. A name must not stand both in the signature and here: where a part takes one of
these by itself, its keywords are a smaller set.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypedDict

from typing_extensions import Unpack

__all__ = [
    "BayesianOptions",
    "ConvolutionOptions",
    "DistributionOptions",
    "DownTrunkOptions",
    "FactorizedOptions",
    "ImportanceOptions",
    "LayerOptions",
    "MapOptions",
    "MetricOptions",
    "ModelOptions",
    "RefinedOptions",
    "TrunkOptions",
    "Unpack",
    "UntypedLayerOptions",
    "VeryDeepBlockOptions",
]


class MetricOptions(TypedDict, total=False):
    """Arguments of `keras.metrics.Metric` beside its name."""

    dtype: Any


class ModelOptions(TypedDict, total=False):
    """Arguments of `keras.Model`."""

    dtype: Any
    name: str | None
    trainable: bool


class MapOptions(ModelOptions, total=False):
    """Arguments of `keras.layers.Layer`, for a layer that regularizes its output by itself."""

    autocast: bool


class UntypedLayerOptions(TypedDict, total=False):
    """Arguments of `keras.layers.Layer`, for a layer that takes `dtype` by itself."""

    activity_regularizer: Any
    autocast: bool
    name: str | None
    trainable: bool


class LayerOptions(UntypedLayerOptions, total=False):
    """Arguments of `keras.layers.Layer`."""

    dtype: Any


class DistributionOptions(LayerOptions, total=False):
    """Arguments of `DistributionLayer`, for a layer whose event follows from its input."""

    validate_args: bool


class ImportanceOptions(LayerOptions, total=False):
    """Arguments of `Objective` beside the number of samples."""

    kl: Literal["auto", "analytic", "monte_carlo"]


class BayesianOptions(LayerOptions, total=False):
    """Arguments of `BayesianLayer`."""

    activation: Any
    kl_weight: float | Callable | None


class FactorizedOptions(TypedDict, total=False):
    """Arguments of `FactorizedLayer`, for a dense map, which takes `trainable` by itself."""

    autocast: bool
    dtype: Any
    name: str | None
    kernel_posterior_fn: Callable | None
    kernel_posterior_tensor_fn: Callable | str | None
    kernel_prior_fn: Callable | None
    kernel_divergence_fn: Callable | None
    bias_posterior_fn: Callable | None
    bias_posterior_tensor_fn: Callable | str | None
    bias_prior_fn: Callable | None
    bias_divergence_fn: Callable | None
    kl_weight: float | Callable | None
    seed: int | None


class ConvolutionOptions(FactorizedOptions, total=False):
    """Arguments of `FactorizedLayer`, for a convolution."""

    trainable: bool


class TrunkOptions(LayerOptions, total=False):
    """Arguments of `ImageTrunk` beside its filters."""

    kernel_size: int
    activation: Any


class DownTrunkOptions(TrunkOptions, total=False):
    """Arguments of `DownTrunk` beside its filters."""

    units: int | None


class VeryDeepBlockOptions(LayerOptions, total=False):
    """Arguments of `VeryDeepBlock` beside its place in the hierarchy."""

    filters: int
    latent: int
    bottleneck: float


class RefinedOptions(LayerOptions, total=False):
    """Arguments of `Refined` beside its prior."""

    steps: int
    step_size: float
    max_step: float
    tempering: Literal["none", "fixed", "free"]
    beta_zero: float
