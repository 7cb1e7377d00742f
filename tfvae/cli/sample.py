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
_MEAN = flags.DEFINE_bool(
    "mean", None, "The mean of p(x|z) instead of a draw of it; by default for .png alone."
)


def main() -> int:
    """Samples as the flags say."""
    import numpy as np

    from tfvae import plots
    from tfvae.errors import UserError
    from tfvae.training.checkpoints import load_final
    from tfvae.training.workdir import Workdir

    out = Path(_OUT.value)
    if out.suffix not in (".png", ".npz"):
        raise UserError(f"--out={str(out)!r} ends with neither .png nor .npz: give one of them")
    folder = Workdir(_WORKDIR.value)
    folder.read_config()
    vae = load_final(folder)
    mean = out.suffix == ".png" if _MEAN.value is None else _MEAN.value
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".png":
        plots.save(plots.samples(vae, _N.value, seed=_SEED.value, mean=mean), out)
    else:
        np.savez_compressed(out, x=vae.sample(_N.value, seed=_SEED.value, mean=mean).numpy())
    print(out)
    return 0


def run() -> None:
    """Entry point of the console script."""
    flags.mark_flag_as_required("workdir")
    run_command(main, __doc__, _WORKDIR, _N, _OUT, _SEED, _MEAN)


if __name__ == "__main__":
    run()
