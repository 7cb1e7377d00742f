"""`tfvae-sample`: draws from a trained model, as a picture or as an array."""

from __future__ import annotations

from pathlib import Path

from absl import flags

from tfvae.cli.app import run_command

__all__ = ["main", "run"]

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of a run of tfvae-train.")
_N = flags.DEFINE_integer("n", 64, "Number of samples.", lower_bound=1)
_OUT = flags.DEFINE_string("out", "samples.png", "File to write: .png or .npz by its ending.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the draws.", lower_bound=0)
_LABEL = flags.DEFINE_list(
    "label",
    None,
    "Labels, from 0, that take turns, for a conditional model; all by default.",
)
_MEAN = flags.DEFINE_bool(
    "mean", None, "The mean of p(x|z) instead of a draw of it; by default for .png alone."
)


def main() -> int:
    """Samples as the flags say."""
    import numpy as np

    from tfvae import plots
    from tfvae.errors import UserError
    from tfvae.files import written_whole
    from tfvae.runs.checkpoints import load_final
    from tfvae.runs.workdir import Workdir

    out = Path(_OUT.value)
    if out.suffix not in (".png", ".npz"):
        raise UserError(f"--out={str(out)!r} ends with neither .png nor .npz: give one of them")
    folder = Workdir(_WORKDIR.value)
    folder.read_config()
    vae = load_final(folder)
    labels = _labels(vae)
    context = None if labels is None else np.resize(labels, _N.value)
    options = {"seed": _SEED.value, "context": context}
    mean = out.suffix == ".png" if _MEAN.value is None else _MEAN.value
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".png":
        # A column for each label.
        columns = None if labels is None or len(labels) == 1 else len(labels)
        figure = plots.samples(vae, _N.value, mean=mean, columns=columns, **options)
        plots.save(figure, out)
    else:
        arrays = {} if context is None else {"labels": context}
        x = vae.sample(_N.value, mean=mean, **options).numpy()
        with written_whole(out) as part:
            np.savez_compressed(part, x=x, **arrays)
    print(out)
    return 0


def _labels(vae) -> list[int] | None:
    """The labels to sample for: the flag's, else all of them; None where there are none."""
    from tfvae.errors import UserError
    from tfvae.networks.conditioning import classes_of

    parts = (vae.decoder, vae.latents, vae.prior)
    conditioners = [c for part in parts if (c := getattr(part, "conditioner", None)) is not None]
    count = classes_of(conditioners[0]) if conditioners else None
    if count is None and conditioners:
        raise UserError(
            "the model is conditioned on something else than labels: give its contexts from "
            "Python, vae.sample(n, context=...)"
        )
    if count is None:
        if _LABEL.value is not None:
            raise UserError(
                f"--label={','.join(_LABEL.value)}: this model knows no labels: leave the flag out"
            )
        return None
    labels = list(range(count)) if _LABEL.value is None else _LABEL.value
    known = [str(label) for label in range(count)]
    if not labels or not all(str(label) in known for label in labels):
        raise UserError(f"--label={','.join(labels)}: give labels from 0 to {count - 1}")
    return [int(label) for label in labels]


def run() -> None:
    """Entry point of the console script."""
    flags.mark_flag_as_required("workdir")
    run_command(main, __doc__, _WORKDIR, _N, _OUT, _SEED, _LABEL, _MEAN)


if __name__ == "__main__":
    run()
