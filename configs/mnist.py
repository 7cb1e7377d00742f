"""MNIST, binarized dynamically, with the 784-200-200-50 network of Burda et al. (2016)."""

from tfvae.runs.config import default_config


def get_config():
    config = default_config()
    config.dataset = "mnist"
    config.binarization = "dynamic"
    config.latent_dim = 50
    config.batch_size = 100
    config.epochs = 10
    config.panels_every = 2
    return config
