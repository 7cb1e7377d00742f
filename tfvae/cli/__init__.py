"""The commands: thin absl mains over the package."""

from tfvae.lazy import public

__all__: list[str] = []
__dir__ = public(__all__)
