import numpy as np
import pytest

from tfvae import plots
from tfvae.errors import MissingFileError, UserError
from tfvae.plots.metrics import read_metrics

HISTORY = {
    "loss": [120.0, 100.0, 90.0],
    "elbo": [-120.0, -100.0, -90.0],
    "distortion": [110.0, 85.0, 70.0],
    "rate": [10.0, 15.0, 20.0],
    "val_elbo": [-121.0, -101.0, -91.0],
    "val_distortion": [111.0, 86.0, 71.0],
    "val_rate": [10.0, 15.0, 20.0],
}


def write(path, rows, names):
    path.write_text("\n".join([",".join(names), *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def drawn(figure):
    return {
        (axes.get_ylabel(), line.get_label()): (list(line.get_xdata()), list(line.get_ydata()))
        for axes in figure.axes
        for line in axes.lines
    }


def test_a_history_is_drawn_in_three_panels():
    lines = drawn(plots.training_curves(HISTORY))
    assert len(lines) == 6
    for label in ("ELBO", "distortion", "rate"):
        for who, column in (("training", label.lower()), ("validation", f"val_{label.lower()}")):
            assert lines[f"{label} (nats)", who] == ([1, 2, 3], HISTORY[column])


def test_what_fit_returns_will_do_too():
    class History:
        history = HISTORY

    assert drawn(plots.training_curves(History())) == drawn(plots.training_curves(HISTORY))


def test_a_file_has_its_own_epochs_and_empty_cells(tmp_path):
    rows = [(3, -120, "", 10), (4, -100, -101, 15), (5, -90, "", 20)]
    path = write(tmp_path / "metrics.csv", rows, ["epoch", "elbo", "val_elbo", "rate"])
    lines = drawn(plots.training_curves(path))
    assert lines["ELBO (nats)", "training"] == ([3, 4, 5], [-120, -100, -90])
    assert lines["ELBO (nats)", "validation"] == ([4], [-101])
    assert lines["rate (nats)", "training"] == ([3, 4, 5], [10, 15, 20])
    assert ("distortion (nats)", "training") not in lines


def test_a_single_epoch_is_seen():
    figure = plots.training_curves({name: values[:1] for name, values in HISTORY.items()})
    line = figure.axes[0].lines[0]
    assert line.get_marker() == "o"
    assert line.get_markersize() > 0
    assert [tick.get_text() for tick in figure.axes[-1].get_xticklabels()] == ["1"]


def test_panels_share_the_epochs():
    figure = plots.training_curves(HISTORY)
    figure.axes[0].set_xlim(-7, 7)
    assert figure.axes[2].get_xlim() == (-7, 7)


def test_a_row_cut_short_is_no_number(tmp_path):
    path = write(tmp_path / "metrics.csv", [(1, -3.5), (2,)], ["epoch", "elbo"])
    np.testing.assert_array_equal(read_metrics(path)["elbo"], [-3.5, np.nan])


def test_what_cannot_be_drawn_is_refused(tmp_path):
    with pytest.raises(MissingFileError, match="no metrics file at "):
        plots.training_curves(tmp_path / "nowhere.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(UserError, match="has no epoch yet"):
        plots.training_curves(tmp_path / "empty.csv")
    with pytest.raises(UserError, match="has no epoch yet"):
        plots.training_curves(write(tmp_path / "header.csv", [], ["epoch", "elbo"]))
    with pytest.raises(UserError, match="has no epoch yet"):
        plots.training_curves({})
    with pytest.raises(UserError, match="the metrics are accuracy, epoch: none of elbo"):
        plots.training_curves({"accuracy": [1.0]})
    with pytest.raises(UserError, match="'val_elbo' has 1 values in 2 epochs"):
        plots.training_curves({"elbo": [1.0, 2.0], "val_elbo": [1.0]})
