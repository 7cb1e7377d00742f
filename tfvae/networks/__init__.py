"""Encoder and decoder, and the trunks that they are made of."""

from tfvae.lazy import public
from tfvae.networks.bottleneck_stage import BottleneckStage, bottleneck_stages
from tfvae.networks.bottom_up import BottomUp
from tfvae.networks.conv import ConvDown, ConvUp
from tfvae.networks.decoder import Decoder
from tfvae.networks.encoder import Encoder
from tfvae.networks.gyroplane import Gyroplane
from tfvae.networks.mlp import MLP
from tfvae.networks.multimodal import MultimodalDecoder, MultimodalEncoder
from tfvae.networks.resnet import ResNetDown, ResNetUp
from tfvae.networks.tangent_map import TangentMap

__all__ = [
    "MLP",
    "BottleneckStage",
    "BottomUp",
    "ConvDown",
    "ConvUp",
    "Decoder",
    "Encoder",
    "Gyroplane",
    "MultimodalDecoder",
    "MultimodalEncoder",
    "ResNetDown",
    "ResNetUp",
    "TangentMap",
    "bottleneck_stages",
]
__dir__ = public(__all__)
