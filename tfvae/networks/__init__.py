"""Encoder and decoder, and the trunks that they are made of."""

from tfvae.networks.decoder import Decoder
from tfvae.networks.encoder import Encoder
from tfvae.networks.mlp import MLP

__all__ = ["MLP", "Decoder", "Encoder"]
