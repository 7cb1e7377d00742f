import json

import pytest

from tfvae.errors import MissingFileError, UserError
from tfvae.files import write_whole
from tfvae.runs import default_config
from tfvae.runs.workdir import MAY_CHANGE, Workdir


def config(**fields):
    made = default_config()
    made.update_from_flattened_dict({k.replace("__", "."): v for k, v in fields.items()})
    return made


def test_a_configuration_comes_back_as_it_was(tmp_path):
    made = config(hidden=(3, 4), beta=0.1 + 0.2, image_size=(7, 9), conv__filters=(5,), samples=3)
    folder = Workdir(tmp_path / "a" / "b")
    folder.check(made)
    assert not folder.path.exists()
    folder.claim(made)
    back = folder.read_config()
    assert back.to_dict() == made.to_dict()
    assert isinstance(back.hidden, tuple)
    folder.check(made)
    assert {path.name for path in folder.path.iterdir()} == {
        "config.json", "checkpoints", "logs", "figures", ".checksums.json",
    }  # fmt: skip


OTHER = {
    "epochs": 99,
    "checkpoint_every": "7 steps",
    "checkpoints_kept": 7,
    "keep_best": False,
    "on_nan": "skip",
    "nan_cap": 7,
    "panels_every": 7,
    "evaluation__samples": 7,
    "evaluation__examples": 7,
    "steps_per_execution": 7,
}


@pytest.mark.parametrize("field", OTHER)
def test_what_does_not_change_the_training_so_far_may_change(field, tmp_path):
    Workdir(tmp_path).claim(config())
    Workdir(tmp_path).check(config(**{field: OTHER[field]}))


def test_no_other_field_may_change(tmp_path):
    assert {field.split("__")[0] for field in OTHER} == set(MAY_CHANGE)
    Workdir(tmp_path).claim(config())
    for field, value in [
        ("dataset", "mnist"), ("beta", 2.0), ("conv__filters", (1,)), ("hidden", (200,)),
        ("xla", True), ("policy", "mixed_float16"), ("seed", 1), ("test_split", "test[:9]"),
        ("normal__scale", "0.1"), ("beta_schedule__steps", 3), ("batch_size", 127),
    ]:  # fmt: skip
        with pytest.raises(UserError, match=field.replace("__", r"\.") + " is .* and was ") as e:
            Workdir(tmp_path).check(config(**{field: value}))
        assert str(e.value).count(" and was ") == 1


def test_a_run_is_evaluated_when_it_was_evaluated_so(tmp_path):
    folder = Workdir(tmp_path)
    folder.claim(config())
    assert folder.table(config(), print) is None
    folder.write_json(folder.evaluation, {"elbo": -1.0})
    assert folder.table(config(), print) is None  # no model
    write_whole(folder.model, "the model")
    assert folder.table(config(epochs=3), print) == {"elbo": -1.0}
    assert folder.table(config(evaluation__examples=3), print) is None
    folder.claim(config())
    assert folder.table(config(), print) is None


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.json"
    write_whole(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "half \udcff")
    assert path.read_text() == "old"


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(MissingFileError, match=r"no config\.json"):
        Workdir(tmp_path).read_config()
    Workdir(tmp_path).check(config())  # empty: it may become one
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(UserError, match="not the folder of a run"):
        Workdir(tmp_path).check(config())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1]",
        '{"epochs": "x"}',
        "\x00",
        '{"conv": 3}',
        '{"batch_size": -1}',
        '{"learning_rate": NaN}',
        '{"conv": {"filters": "ab"}}',
        "[" * 100_000,
    ],
)
def test_a_damaged_configuration_is_refused(text, tmp_path):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match=r"config\.json.* is damaged"):
        Workdir(tmp_path).check(config())


def test_checkpoints_are_told_by_their_name(tmp_path):
    folder = Workdir(tmp_path)
    folder.claim(config())
    for name in ("step-000000020.keras", "step-000000003.keras", "part-step-000000040.keras",
                 "step-000000050.json", "step-x.keras", "step-000000060.keras.part"):  # fmt: skip
        (folder.checkpoints / name).write_text("")
    assert [batches for batches, _ in folder.saved()] == [3, 20]
    assert folder.saved()[-1][1] == folder.checkpoint(20)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"factor_vae": {"discriminator_optimizer": "adam"}}, "'factor_vae.discriminator_opt"),
        ({"epoch": 3}, "there is no field 'epoch'"),
        ({"posterior": "full_covariance"}, "unknown config.posterior 'full_covariance'"),
    ],
)
def test_the_configuration_of_another_version_is_refused_in_a_line(fields, words, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(fields))
    with pytest.raises(UserError, match="is not of this version of tfvae") as error:
        Workdir(tmp_path).read_config()
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_field_that_an_earlier_version_had_not_has_its_default(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"epochs": 7}))
    config = Workdir(tmp_path).read_config()
    assert (config.epochs, config.optimizer) == (7, "adam")
