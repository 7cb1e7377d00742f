"""What is measured of a trained model, each quantity by itself: a model may not have them all."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

import tfvae
from tfvae.errors import UserError

__all__ = ["chance", "measure"]

ELBO_SAMPLES = 20


def _flat(x) -> np.ndarray:
    """All elements of each example side by side, `[batch, size]`, of one tensor or of several."""
    leaves = [np.asarray(leaf, np.float64) for leaf in tf.nest.flatten(x)]
    return np.concatenate([leaf.reshape(len(leaf), -1) for leaf in leaves], axis=1)


def _mean_and_error(values: np.ndarray) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))


def chance(x: np.ndarray) -> dict[str, float]:
    """What a model reaches that knows the mean image and no more.

    Args:
        x: The test images, `[n, size]`.

    Returns:
        `squared_error`, the sum over an image; where all values are bits, `log_prob` too, nats.
    """
    mean = x.mean(axis=0)
    found = {"squared_error": float(np.square(x - mean).sum(axis=1).mean())}
    if np.isin(x, (0.0, 1.0)).all():
        p = np.clip(mean, 1e-6, 1 - 1e-6)
        found["log_prob"] = float((x * np.log(p) + (1 - x) * np.log1p(-p)).sum(axis=1).mean())
    return found


def measure(vae: tfvae.VAE, batches: tf.data.Dataset, *, samples: int) -> tuple[dict, np.ndarray]:
    """Evaluates a model.

    Args:
        vae: The model, trained and compiled.
        batches: Batches of the test images as `fit` takes them; the same for all models.
        samples: Posterior samples per image of log p(x).

    Returns:
        The quantities by name, nats per image: `log_prob` and `elbo` with their standard errors
        `..._se` and `log_prob_kind`, or what the model says why it has none (`no_log_prob`);
        `squared_error` of the reconstruction; `active_units`; `chance`; what `evaluate` logs. And
        log p(x) of each image, where there is one.
    """
    xs, values = [], {"log_prob": [], "elbo": [], "squared_error": []}
    found: dict = {"samples": samples}

    def note(name: str, compute: Callable[..., tf.Tensor], *given, **options) -> None:
        try:
            values[name].append(np.asarray(compute(*given, **options), np.float64))
        except UserError as error:
            found[f"no_{name}"] = str(error)

    for i, batch in enumerate(batches):
        x, context, *_ = vae.inputs_of(batch)
        # A label that is a latent variable is left out: p(x), and not p(x, y).
        context = vae.latents.for_networks(context)
        xs.append(_flat(x))
        seed = (0, i)
        note("log_prob", vae.log_prob, x, samples, seed=seed, context=context)
        note("elbo", vae.elbo, x, ELBO_SAMPLES, seed=seed, context=context)
        again = _flat(vae.reconstruct(x, context, seed=seed))
        values["squared_error"].append(np.square(again - xs[-1]).sum(axis=1))
    for name, parts in values.items():
        if parts:
            found[name], found[f"{name}_se"] = _mean_and_error(np.concatenate(parts))
    found["log_prob_kind"] = vae.log_prob_kind
    found["chance"] = chance(np.concatenate(xs))
    found["logs"] = {
        k: float(v) for k, v in vae.evaluate(batches, return_dict=True, verbose=0).items()
    }
    with contextlib.suppress(UserError):  # not every code has a mean
        codes = vae.predict(batches, verbose=0)["z"]
        found["active_units"] = int(tfvae.evaluation.active_units(_flat(codes)))
    each = np.concatenate(values["log_prob"]) if values["log_prob"] else np.array([])
    return found, each
