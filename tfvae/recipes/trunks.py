"""The networks by name: a trunk for the encoder and its mirror for the decoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras

from tfvae import networks
from tfvae.errors import UserError
from tfvae.options import find
from tfvae.options.bounds import Blocks, Count, Depth, Widths

__all__ = ["conv", "mlp", "resnet", "trunks"]

Trunks = tuple[keras.layers.Layer, keras.layers.Layer]


def mlp(
    event_shape: Sequence[int], hidden: Sequence[int] = (200, 200), *, activation: str = "relu"
) -> Trunks:
    """Dense layers.

    Args:
        event_shape: Shape of one example.
        hidden: Units of the encoder's layers; the decoder's has them in reverse.
        activation: Keras activation of all layers.

    Returns:
        The encoder's trunk and the decoder's.
    """
    return networks.MLP(hidden, activation), networks.MLP(hidden[::-1], activation)


def conv(
    event_shape: Sequence[int],
    *,
    filters: Widths = (32, 64),
    units: Count | None = 256,
    kernel_size: Depth = 3,
    activation: str = "relu",
) -> Trunks:
    """Strided convolutions, and doublings of the grid back.

    Args:
        event_shape: Shape of one image, channels last.
        filters: Channels of each stage of the encoder; the decoder has them in reverse.
        units: Units of a dense layer between the encoder's last stage and z; None: there is none.
        kernel_size: Height and width of the kernels.
        activation: Keras activation of all layers.

    Returns:
        The encoder's trunk and the decoder's.
    """
    both = {"kernel_size": kernel_size, "activation": activation}
    return (
        networks.ConvDown(filters, units=units, **both),
        networks.ConvUp(filters[::-1], event_shape[:2], **both),
    )


def resnet(
    event_shape: Sequence[int],
    *,
    filters: Widths = (32, 64),
    blocks: Blocks = 1,
    units: Count | None = 256,
    groups: Count | None = None,
    kernel_size: Depth = 3,
    activation: str = "relu",
) -> Trunks:
    """Residual blocks between strided convolutions, and doublings of the grid back.

    Args:
        event_shape: Shape of one image, channels last.
        filters: Channels of each stage of the encoder; the decoder has them in reverse.
        blocks: Residual blocks in a stage.
        units: Units of a dense layer between the encoder's last stage and z; None: there is none.
        groups: Groups of a group normalization before each activation; None: no normalization.
        kernel_size: Height and width of the kernels.
        activation: Keras activation of all layers.

    Returns:
        The encoder's trunk and the decoder's.
    """
    both = {
        "blocks": blocks, "groups": groups, "kernel_size": kernel_size, "activation": activation
    }  # fmt: skip
    return (
        networks.ResNetDown(filters, units=units, **both),
        networks.ResNetUp(filters[::-1], event_shape[:2], **both),
    )


def trunks(
    event_shape: Sequence[int],
    network: str | Trunks,
    hidden: Sequence[int],
    options: Mapping | None = None,
):
    """The encoder's and the decoder's trunk of a name.

    Args:
        event_shape: Shape of one example.
        network: A name of this file, or the two trunks themselves.
        hidden: Units of an MLP.
        options: Further arguments of the named function.

    Returns:
        The two trunks.

    Raises:
        UserError: If the network is unknown, or takes no such argument.
    """
    if not isinstance(network, str):
        down, up = network
        return down, up
    part, options = find("network", network), dict(options or {})
    for name in options:
        if name not in part.arguments:
            raise UserError(
                f"network_options has {name!r}: {network} takes "
                f"{', '.join(n for n in part.arguments if n != 'event_shape')}"
            )
    if "hidden" in part.arguments:
        options.setdefault("hidden", hidden)
    return part.load()(event_shape, **options)
