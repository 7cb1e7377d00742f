"""Fashion-MNIST: grey values, which a continuous Bernoulli is a likelihood for."""

from tfvae.runs.config import default_config


def get_config():
    config = default_config()
    config.dataset = "fashion_mnist"
    config.likelihood = "continuous_bernoulli"
    config.network = "conv"
    config.latent_dim = 32
    config.batch_size = 100
    config.epochs = 20
    config.panels_every = 2
    return config
