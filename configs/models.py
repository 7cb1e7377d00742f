"""MNIST at the one small budget that all models of docs/models.md are trained with."""

from tfvae.runs.config import default_config


def get_config():
    config = default_config()
    config.dataset = "mnist"
    config.epochs = 3
    config.panels_every = 0
    return config
