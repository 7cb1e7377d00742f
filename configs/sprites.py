"""Binary 64x64 sprites with known factors, drawn by the package: a beta-VAE, beta 4."""

from tfvae.runs.config import default_config


def get_config():
    config = default_config()
    config.dataset = "sprites"
    config.train_split = "train[:50000]"
    config.recipe = "beta_vae"
    config.network = "conv"
    config.conv.filters = (32, 32, 64, 64)
    config.latent_dim = 10
    config.epochs = 20
    config.learning_rate = 5e-4
    config.panels_every = 1
    return config
