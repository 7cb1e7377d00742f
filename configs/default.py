"""Every field with its default: see tfvae/runs/config.py."""

from tfvae.runs.config import default_config


def get_config():
    return default_config()
