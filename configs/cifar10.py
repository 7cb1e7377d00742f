"""CIFAR-10 in its 256 levels: a residual network and a discretized logistic likelihood."""

from tfvae.runs.config import default_config


def get_config():
    config = default_config()
    config.dataset = "cifar10"
    config.likelihood = "discretized_logistic"
    config.network = "resnet"
    config.resnet.filters = (64, 128, 256)
    config.latent_dim = 128
    config.batch_size = 100
    config.epochs = 50
    return config
