"""The handwritten digits inside scikit-learn: 8x8, no download, a minute on two cores."""

from tfvae.runs.config import default_config


def get_config():
    config = default_config()
    config.binarization = "none"
    config.likelihood = "discretized_logistic"
    config.hidden = (256, 256)
    config.batch_size = 50
    config.epochs = 80
    config.checkpoint_every = 20
    config.panels_every = 20
    config.evaluation.examples = 0
    return config
