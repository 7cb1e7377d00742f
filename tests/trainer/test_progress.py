import io
import re
import warnings

import numpy as np
import pytest
import tensorflow as tf

from tfvae.errors import UserError
from tfvae.trainer import progress
from tfvae.trainer.progress import line_of

LOGS = {"loss": 99.5, "elbo": -98.123, "distortion": 72.3, "rate": 25.82, "beta": 1.0,
        "val_elbo": -99.5, "val_distortion": 73.1, "val_rate": 26.4}  # fmt: skip


class Screen(io.StringIO):
    """A terminal of so many columns; the lines that stand on it at the end."""

    def __init__(self, live=True):
        super().__init__()
        self.live = live

    def isatty(self):
        return self.live

    @property
    def lines(self):
        shown = []
        for line in self.getvalue().removesuffix("\n").split("\n"):
            screen = ""
            for part in line.split("\r"):
                screen = part + screen[len(part) :]
            shown.append(screen.rstrip())
        return shown


@pytest.fixture
def screen(monkeypatch):
    def make(columns=100, live=True):
        made = Screen(live)
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr("sys.stdout", made)
        monkeypatch.setattr(progress, "EVERY", 0.0)
        return made

    return make


@pytest.mark.parametrize("columns", [20, 40, 79, 80, 100, 120])
@pytest.mark.parametrize("scale", [1.0, 1e3, 1e7, float("nan"), float("inf")])
def test_a_line_is_no_wider_than_the_terminal(columns, scale):
    logs = {name: value * scale for name, value in LOGS.items()}
    line = line_of("10/100", logs, 3725.2, 86_400, columns=columns, steps="step 117/468")
    assert len(line) <= columns
    assert "\n" not in line
    assert line.startswith("10/100")
    if columns >= 40:
        assert "elbo" in line


def test_what_a_line_says():
    assert line_of("3/9", LOGS, 4.26, 65, columns=None) == (
        "3/9  elbo -98.12 (val -99.50)  distortion 72.30 (73.10)  rate 25.82 (26.40)  "
        "4.3 s, 1:05 left"
    )
    assert line_of("3/9", LOGS, 4.26, 65, columns=79) == (
        "3/9 elbo -98.12 (val -99.50) dist 72.30 rate 25.82 4.3 s, 1:05 left"
    )
    assert line_of("1/1", {"loss": 3.0}, 4000, None, columns=80) == "1/1  loss 3.00  1:06:40"


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_fit_writes_a_line_an_epoch(columns, screen, make_vae, binary):
    vae = make_vae()
    vae.compile("adam")
    seen = screen(columns)
    vae.fit(binary[:17], validation_data=(binary,), epochs=3, batch_size=1)  # 16 and 1 in a call
    assert [line.split()[:2] for line in seen.lines] == [[f"{n}/3", "elbo"] for n in (1, 2, 3)]
    assert all(len(line) < columns for line in re.split(r"[\r\n]", seen.getvalue()))
    assert ("val" in seen.lines[0]) == (columns > 60)
    assert "left" in seen.lines[0]
    assert "left" not in seen.lines[2]
    assert columns == 60 or "step 17/17" in seen.getvalue()


@pytest.mark.parametrize(("live", "verbose"), [(False, 1), (False, "auto"), (False, 2), (True, 2)])
def test_in_a_file_there_are_no_carriage_returns(live, verbose, screen, make_vae, binary):
    vae = make_vae()
    vae.compile("adam")
    seen = screen(live=live)
    vae.fit(binary, epochs=2, batch_size=10, verbose=verbose)
    assert "\r" not in seen.getvalue()
    assert "\b" not in seen.getvalue()
    assert len(seen.getvalue().splitlines()) == 2


def test_silence_and_everything(screen, make_vae, binary):
    vae = make_vae()
    vae.compile("adam")
    seen = screen(60)
    vae.fit(binary, validation_data=(binary,), batch_size=10, verbose=0)
    assert seen.getvalue() == ""
    vae.fit(binary, validation_data=(binary,), batch_size=10, verbose="all")
    assert seen.lines[0].startswith("1/1")
    below = " ".join(seen.lines[1:])
    for name in vae.history.history:
        assert f" {name} " in below
    assert max(map(len, seen.lines)) <= 60


def test_evaluate_writes_a_line(screen, make_vae, binary):
    vae = make_vae()
    vae.compile("adam")
    seen = screen()
    vae.evaluate(binary, batch_size=10)
    (line,) = seen.lines
    assert re.fullmatch(r"evaluate  elbo -\d+.*  distortion .*  rate .* s", line)


@pytest.mark.parametrize("steps", [1, "auto"])
@pytest.mark.parametrize("live", [False, True])
def test_an_unknown_length(steps, live, screen, make_vae, binary):
    """The steps that there were, and no warning that the data ran out."""
    vae = make_vae()
    vae.compile("adam", steps_per_execution=steps)
    batches = tf.data.Dataset.from_tensor_slices(binary).batch(10).filter(lambda _: True)
    assert batches.cardinality() < 0
    seen = screen(live=live)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        vae.fit(batches, validation_data=batches, epochs=2)
        vae.evaluate(batches)
    assert [line[:12] for line in seen.lines] == ["1/2  4 steps", "2/2  4 steps", "evaluate  el"]
    assert int(vae.optimizer.iterations) == 8  # one more an epoch was counted, with single steps


def test_data_that_are_too_short_are_warned_of(screen, make_vae, binary):
    vae = make_vae()
    vae.compile("adam", steps_per_execution=1)
    screen()
    batches = tf.data.Dataset.from_tensor_slices(binary).batch(10)
    with pytest.warns(UserWarning, match="ran out of data"):
        vae.fit(batches, epochs=1, steps_per_epoch=9)


def test_a_target_is_refused(make_vae, binary):
    vae = make_vae()
    vae.compile("adam")
    pairs = tf.data.Dataset.from_tensor_slices((binary, binary)).batch(10)
    for arguments in ((binary, binary), (binary, binary.copy()), (pairs,)):
        with pytest.raises(UserError, match="a VAE reconstructs x and needs no target") as error:
            vae.fit(*arguments, verbose=0)
        assert "\n" not in str(error.value)


def test_weights_of_classes_are_refused(make_vae, binary):
    vae = make_vae()
    vae.compile("adam")
    with pytest.raises(UserError, match="sample_weight=w"):
        vae.fit(binary, class_weight={0: 1.0, 1: 2.0}, verbose=0)


def test_data_without_batches_are_refused(make_vae, binary):
    vae = make_vae(built=False)
    vae.compile("adam")
    with pytest.raises(UserError, match=r"there is no batch axis; give data\.batch\(128\)"):
        vae.fit(tf.data.Dataset.from_tensor_slices(binary), verbose=0)
    with pytest.raises(UserError, match=r"there is no batch axis"):
        vae.elbo(np.zeros((3, 2, 1), np.float32))
