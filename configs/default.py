"""Every field with its default: see tfvae/training/config.py."""

from tfvae.training.config import default_config


def get_config():
    return default_config()
