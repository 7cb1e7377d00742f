"""`tfvae-evaluate`: the likelihood table of a trained model."""

from __future__ import annotations

from absl import flags

from tfvae.cli.app import run_command

__all__ = ["main", "run"]

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of a run of tfvae-train.")
_SAMPLES = flags.DEFINE_integer(
    "samples", None, "Posterior samples per example; by default as config.evaluation says."
)
_EXAMPLES = flags.DEFINE_integer("examples", 0, "Test examples, from the front; 0: all.")
_TOTAL_CORRELATION = flags.DEFINE_integer(
    "total_correlation",
    0,
    "Test examples whose aggregate posterior's total correlation is estimated; 0: none.",
)
_CHUNK = flags.DEFINE_integer("chunk", None, "Samples in memory at once.")
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder with dataset files; then TFVAE_DATA_DIR is looked at."
)
DRAWS = 1000  # draws, over which the expectation in the total correlation is taken


def main() -> int:
    """Evaluates as the flags say; writes `evaluation.json` and prints the table."""
    import keras

    from tfvae.errors import UserError
    from tfvae.evaluation import evaluate_likelihood, total_correlation
    from tfvae.objectives.estimators import SIDE_BY_SIDE
    from tfvae.runs.build import load_data
    from tfvae.runs.checkpoints import load_final
    from tfvae.runs.cores import share_cores
    from tfvae.runs.report import table_lines
    from tfvae.runs.workdir import Workdir

    share_cores(SIDE_BY_SIDE)
    folder = Workdir(_WORKDIR.value)
    config = folder.read_config()
    samples = config.evaluation.samples if _SAMPLES.value is None else _SAMPLES.value
    if samples < 1 or _EXAMPLES.value < 0 or _TOTAL_CORRELATION.value < 0:
        raise UserError(
            "--samples takes a number from 1, --examples and --total_correlation one from 0"
        )
    vae = load_final(folder)
    test = load_data(config, config.test_split, data_dir=_DATA_DIR.value)
    examples = _EXAMPLES.value or None
    bar = keras.utils.Progbar(examples or config.batch_size * int(test.cardinality()))
    table = evaluate_likelihood(
        vae,
        test,
        samples=samples,
        examples=examples,
        chunk=_CHUNK.value,
        seed=config.seed,
        progress=bar.update,
    )
    if _TOTAL_CORRELATION.value:
        of_codes = total_correlation(
            vae, test, examples=_TOTAL_CORRELATION.value, draws=DRAWS, seed=config.seed
        )
        table |= {"total_correlation_examples": of_codes.pop("examples"), **of_codes}
    with folder.writing():
        folder.write_json(folder.evaluation, table)
    print()
    print("\n".join(table_lines(table)))
    return 0


def run() -> None:
    """Entry point of the console script."""
    flags.mark_flag_as_required("workdir")
    run_command(main, __doc__, _WORKDIR, _SAMPLES, _EXAMPLES, _TOTAL_CORRELATION, _CHUNK, _DATA_DIR)


if __name__ == "__main__":
    run()
