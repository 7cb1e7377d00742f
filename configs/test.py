"""A run of seconds: whether everything is in place."""

from tfvae.runs.config import default_config


def get_config():
    config = default_config()
    config.hidden = (32,)
    config.latent_dim = 2
    config.epochs = 2
    config.panels_every = 1
    config.evaluation.samples = 10
    config.evaluation.examples = 100
    return config
