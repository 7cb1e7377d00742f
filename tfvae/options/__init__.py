"""What the parts of the package take: read from their signatures and docstrings."""

from tfvae.lazy import public
from tfvae.options.bounds import Bounds
from tfvae.options.catalogue import AXES, Part, find, names, parts
from tfvae.options.reading import REQUIRED, Option

__all__ = ["AXES", "REQUIRED", "Bounds", "Option", "Part", "find", "names", "parts"]
__dir__ = public(__all__)
