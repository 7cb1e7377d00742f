"""Runs whose objective is given the labels that the data have."""

import numpy as np
import pytest
import tensorflow as tf

import tfvae
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


def test_some_examples_keep_their_label(tiny):
    config = tiny(recipe="m2", labelled=20)
    check_config(config)
    labels = [np.concatenate([y for _, y in load_data(config, config.train_split)])]
    labels += [np.concatenate([y for _, y in load_data(config, config.train_split, shuffle=False)])]
    for found in labels:
        assert np.unique(found, return_counts=True)[0].tolist() == list(range(-1, 10))
        np.testing.assert_array_equal(np.bincount(found[found >= 0]), 2)
    whole, some = (
        np.concatenate([y for _, y in load_data(config, config.train_split, **options)])
        for options in ({"labelled": None, "shuffle": False}, {"shuffle": False})
    )
    np.testing.assert_array_equal(some, np.where(some >= 0, whole, -1))
    held_out = np.concatenate([y for _, y in load_data(config, config.test_split)])
    assert held_out.min() == 0


def test_labels_that_nobody_takes_cannot_be_left_out(tiny):
    with pytest.raises(UserError, match="neither the recipe vae nor its objective takes labels"):
        check_config(tiny(labelled=20))
    with pytest.raises(UserError, match="labelled=20 without labels=True"):
        tfvae.data.load("digits", labelled=20)
    with pytest.raises(UserError, match="labelled=2000: 'digits' has 1500 examples"):
        tfvae.data.load("digits", labels=True, labelled=2000)
