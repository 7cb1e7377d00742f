import json
import os

import numpy as np
import pytest

from tfvae import distribute

TWO = ["weights", "annealing", "beta_tcvae", "factor_vae", "records", "quantized"]
THREE = ["beta_tcvae"]


@pytest.fixture(scope="module")
def expected(program, tmp_path_factory):
    """Of one device with the same global batches."""
    folder = tmp_path_factory.mktemp("one") / "0"
    return program.results(distribute.strategy("one_device"), TWO, str(folder))


@pytest.mark.parametrize(
    ("count", "manager", "names"), [(2, "slurm", TWO), (3, "chief and workers", THREE)]
)
@pytest.mark.exhaustive
def test_workers_do_what_one_device_does(
    run_workers, program, expected, tmp_path, count, manager, names
):
    arguments = [program.__file__, str(tmp_path), ",".join(names)]
    done = run_workers(count, arguments, manager=manager)
    assert [w.code for w in done] == [0] * count, "\n\n".join(w.err[-2500:] for w in done)
    for index in range(count):
        facts = json.loads((tmp_path / str(index) / "facts.json").read_text())
        assert facts["replicas"] == count
        assert facts["chief"] == (index == 0)
        assert facts["from_chief"] == [7, 2**40]
        assert facts["sums"] == [count * (count - 1) // 2, count * 2**40]
        assert min(facts["noise"]) > 1e-4
        if "weights" in names:
            # Where this fails, Keras has been repaired: see `functions.steps_on_replicas`.
            keras_alone = (tmp_path / str(index) / "keras.txt").read_text()
            assert "Invalid reduction dimension" in keras_alone
        if "records" in names:  # a look at the first batch, and half of the files in two epochs
            assert facts["opened"] == 6 + 2 * 3
            assert expected["opened"] == 6 + 2 * 6
        written = ["best.keras", "board", "log.csv", "model.keras"]
        assert facts["files"] == (written if index == 0 and "weights" in names else [])
        with np.load(tmp_path / str(index) / "results.npz") as found:
            assert {name.split("/")[0] for name in found} == {*names}
            for name in found:
                # Of numbers up to 5 that cancel to 1e-3, rounding leaves 5e-6.
                np.testing.assert_allclose(
                    found[name], expected[name], rtol=1e-5, atol=1e-5, err_msg=name
                )
    if "weights" in names:
        rows = (tmp_path / "0" / "log.csv").read_text().splitlines()
        assert len(rows) == 3
        assert sorted(os.listdir(tmp_path / "0" / "board")) == ["train", "validation"]
