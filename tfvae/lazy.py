"""What packages show: parts that are imported when first asked for, public names alone."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterable, Mapping

__all__ = ["attach", "public"]


def attach(package: str, names: Mapping[str, str]) -> tuple[Callable, Callable, list[str]]:
    """Makes the `__getattr__`, `__dir__` and `__all__` of a package that imports on demand.

    TensorFlow takes seconds to import and writes to the terminal; `import tfvae` and a mistyped
    flag should cost neither.

    Args:
        package: `__name__` of the package.
        names: Public name to the module that holds it; a name that is the module's own last part
            stands for the module.

    Returns:
        The three, in this order.
    """

    def get(name: str):
        if name not in names:
            lowered = {known.lower(): known for known in names}
            near = difflib.get_close_matches(name.lower(), lowered, n=1)
            hint = f": did you mean {lowered[near[0]]!r}?" if near else ""
            raise AttributeError(f"module {package!r} has no attribute {name!r}{hint}")
        module = importlib.import_module(names[name])
        return module if names[name] == f"{package}.{name}" else getattr(module, name)

    return get, public(names), sorted(names)


def public(names: Iterable[str]) -> Callable[[], list[str]]:
    """Makes the `__dir__` of a module, so that editors complete its public names alone.

    A package that imports its parts would list their files, and what it imports for itself.

    Args:
        names: The public names, `__all__`.

    Returns:
        The function to be called `__dir__`.
    """
    shown = sorted(names)
    return lambda: list(shown)
