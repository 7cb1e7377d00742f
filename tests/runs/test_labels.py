"""Runs whose objective is given the labels that the data have."""

import pytest
import tensorflow as tf

from tfvae.errors import UserError
from tfvae.runs.build import build_model, load_data
from tfvae.runs.config import check_config


def test_an_objective_that_learns_labels_is_given_them(tiny):
    config = tiny(objective="supervised", supervised__label_weight=3.0)
    check_config(config)
    data = load_data(config, config.train_split)
    assert [spec.dtype for spec in data.element_spec] == [tf.float32, tf.int32]
    vae = build_model(config)
    assert vae.objective.classes == 10
    assert float(vae.objective.label_weight(0)) == 3.0
    assert "accuracy" in vae.train_on_batch(*next(iter(data)), return_dict=True)


def test_labels_are_not_told_and_learned_at_once(tiny):
    config = tiny(objective="supervised", recipe="conditional_vae")
    with pytest.raises(UserError, match="leave one of the two out"):
        check_config(config)
