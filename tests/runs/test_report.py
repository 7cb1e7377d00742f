import math

import pytest

from tfvae.runs.report import table_lines

TABLE = {
    "examples": 100,
    "samples": 50,
    "elbo": -101.234,
    "elbo_se": 1.5,
    "log_prob": -98.765,
    "log_prob_se": 1.25,
    "gap": 2.469,
    "bits_per_dim": 0.181756,
    "active_units": 7,
}


def cells(lines):
    return {line[:30].strip(): line[30:] for line in lines}


def test_the_table_has_every_number_with_its_unit():
    assert cells(table_lines(TABLE)) == {
        "test ELBO": "-101.23 ± 1.50 nats",
        "log p(x), 50 samples": "-98.77 ± 1.25 nats",
        "gap, log p(x) − ELBO": "2.47 nats",
        "bits per dimension": "0.1818",
        "active units": "7",
        "test examples": "100",
    }


@pytest.mark.parametrize("name", ["bits_per_dim", "active_units"])
def test_what_there_is_not_is_left_out(name):
    table = {k: v for k, v in TABLE.items() if k != name}
    assert len(table_lines(table)) == len(table_lines(TABLE)) - 1


def test_one_example_has_no_standard_error():
    lines = table_lines(TABLE | {"elbo_se": math.nan})
    assert cells(lines)["test ELBO"] == "-101.23 nats"


def test_time_is_summed_and_speed_is_the_median():
    rows = [
        {"seconds": "30", "images_per_second": "10"},
        {"seconds": "2.6", "images_per_second": "1000"},
        {"seconds": "2", "images_per_second": "1200"},
    ]
    found = cells(table_lines(TABLE, rows))
    assert found["training time"] == "35 s, 3 epochs"
    assert found["training speed"] == "1000 images per second"


def test_what_log_p_of_codes_is():
    exact = "\n".join(table_lines({**TABLE, "log_prob_kind": "exact"}))
    assert "log p(x), exact" in exact
    bound = "\n".join(table_lines({**TABLE, "log_prob_kind": "elbo"}))
    assert "not known" in bound
    assert "gap" not in bound
