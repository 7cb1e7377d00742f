"""Encoder and decoder, and the trunks that they are made of."""

from tfvae.networks.conv import ConvDown, ConvUp
from tfvae.networks.decoder import Decoder
from tfvae.networks.encoder import Encoder
from tfvae.networks.mlp import MLP
from tfvae.networks.resnet import ResNetDown, ResNetUp

__all__ = ["MLP", "ConvDown", "ConvUp", "Decoder", "Encoder", "ResNetDown", "ResNetUp"]
