"""Checks a saved model before anything in it is made: what it may hold, and how much."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import re
import stat
import threading
import zipfile
from collections.abc import Iterator

import keras
import numpy as np

from tfvae.distributions.keras_compat import layer_method_replaced
from tfvae.errors import UserError

__all__ = ["at_most", "check_archive"]

MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
CONFIG_BYTES = 64 << 20
EXPANSION = 100  # factor by which a compressed member may grow; Keras itself does not compress
LARGEST = 1 << 28  # elements of a declared shape: an input of a gigabyte
# Where Keras looks for classes and functions: modelling, and nothing that reads files or fetches.
FUNCTIONS = {"activations", "constraints", "initializers", "losses", "metrics", "ops", "random",
             "regularizers"}  # fmt: skip
CLASSES = FUNCTIONS | {"distribution", "dtype_policies", "layers", "models", "operations",
                       "optimizers", "quantizers"}  # fmt: skip
PLAIN = {"__tensor__", "__numpy__", "__slice__", "__ellipsis__", "__bytes__", "__keras_tensor__"}
FOREIGN = {"TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}

_ONE_AT_A_TIME = threading.RLock()


def check_archive(path: str | os.PathLike) -> int:
    """Refuses a `.keras` file with anything in it that a model of this package has not.

    Args:
        path: The file.

    Returns:
        The number of elements of all arrays in it.

    Raises:
        UserError: If it is damaged, writes outside of its folder, names classes or functions that
            are neither Keras's nor registered, holds code, or declares more than it has.
    """
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        names = [info.filename for info in infos]
        if len(set(names)) != len(names) or not MEMBERS.issubset(names):
            raise UserError("its members are not those of a saved model")
        for info in infos:
            _check_member(info)
        if archive.getinfo("config.json").file_size > CONFIG_BYTES:
            raise UserError("its configuration is too large")
        damaged = archive.testzip()
        if damaged is not None:
            raise UserError(f"{damaged} in it is damaged")
        _check_config(json.loads(archive.read("config.json")))
        return _check_weights(archive.read("model.weights.h5"))


@contextlib.contextmanager
def at_most(elements: int, refusal: str) -> Iterator[None]:
    """Refuses variables beyond so many elements in all, before they are allocated.

    Args:
        elements: How many.
        refusal: What the error says.
    """
    left = [elements]

    def make(add_weight):
        def checked(layer, shape=None, *args, **kwargs):
            if shape is not None:
                left[0] -= math.prod((shape,) if isinstance(shape, int) else shape)
            if left[0] < 0:
                raise UserError(refusal)
            return add_weight(layer, shape, *args, **kwargs)

        return checked

    # There is no other place to see a weight's shape before Keras fills its array.
    with _ONE_AT_A_TIME, layer_method_replaced("add_weight", make):
        yield


def _check_member(info: zipfile.ZipInfo) -> None:
    name = info.filename
    parts = re.split(r"[/\\]", name)
    if name not in MEMBERS and (parts[0] != "assets" or ".." in parts or ":" in name):
        raise UserError(f"there is no place for {name[:80]!r} in a saved model")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise UserError(f"{name[:80]!r} in it is a link")
    if info.file_size > (1 << 20) and info.file_size > EXPANSION * max(info.compress_size, 1):
        raise UserError(f"{name[:80]!r} in it would grow to {info.file_size} bytes")


def _check_config(config: object) -> None:
    """Looks at every class, function and shape that the configuration names."""
    left = [("", config)]
    while left:
        key, node = left.pop()
        if isinstance(node, dict):
            if "class_name" in node and "config" in node:
                _check_name(node)
            left += [(str(name), value) for name, value in node.items()]
        elif isinstance(node, list):
            if "shape" in key and all(n is None or isinstance(n, int) for n in node):
                if math.prod(abs(n) for n in node if n) > LARGEST:
                    raise UserError(f"it declares a shape of {node[:8]!r}")
            else:
                left += [(key, value) for value in node]


def _check_name(node: dict) -> None:
    kind, module = node["class_name"], node.get("module")
    if kind in PLAIN:
        return
    if kind == "__lambda__":
        raise UserError("there is a Python lambda in it, which is unsafe: it could run anything")
    is_function = kind == "function"
    name = node["config"] if is_function else kind
    registered = name if is_function else node.get("registered_name") or kind
    if isinstance(registered, str) and keras.saving.get_registered_object(registered) is not None:
        return
    parts = module.split(".") if isinstance(module, str) else [""]
    room = parts[2] if parts[1:2] == ["src"] and len(parts) > 2 else (parts[1:2] or [""])[0]
    allowed = FUNCTIONS if is_function else {*CLASSES, ""}
    ours = parts[0] == "keras" and room in allowed
    if not (ours or (is_function and module == "builtins")) or name in FOREIGN:
        raise UserError(
            f"it names {str(module)[:60]}.{str(name)[:60]}, which is neither a part of a Keras "
            "model nor registered (keras.saving.register_keras_serializable)"
        )


def _check_weights(content: bytes) -> int:
    """Counts the elements of the arrays.

    Refuses links, arrays that are not in the file, and numbers that no training goes on from.
    """
    import h5py

    elements, stored = 0, 0

    def visit(name, item):
        nonlocal elements, stored
        if isinstance(item, h5py.Dataset):
            if item.external or item.is_virtual:
                raise UserError(f"the array {name[:80]!r} in it lies in another file")
            elements += math.prod(item.shape or ())
            stored += item.nbytes
            if stored > len(content):
                raise UserError(f"the array {name[:80]!r} in it declares more than is stored")
            if item.dtype.kind in "fc" and not np.isfinite(item[()]).all():
                raise UserError(
                    f"the array {name[:80]!r} in it holds NaN or infinity: the training diverged "
                    "before it was saved, or the file was changed; take an earlier checkpoint"
                )

    def visit_link(name, link):
        if not isinstance(link, h5py.HardLink):
            raise UserError(f"{name[:80]!r} in its weights is a link")

    with h5py.File(io.BytesIO(content), "r") as file:
        file.visititems_links(visit_link)
        file.visititems(visit)
    return elements
