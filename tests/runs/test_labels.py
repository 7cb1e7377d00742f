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


def test_the_conditional_form_of_a_recipe_is_told_the_labels(tiny):
    config = tiny(recipe="iwae", conditioning="labels", prior="conditional_normal", samples=2)
    check_config(config)
    data = load_data(config, config.train_split)
    vae = build_model(config)
    conditioners = {vae.encoder.conditioner, vae.decoder.conditioner, vae.prior.conditioner}
    assert [one.num_tokens for one in conditioners] == [10]
    assert np.isfinite(vae.train_on_batch(*next(iter(data)), return_dict=True)["elbo"])
    assert vae.sample(2, context=3).shape == (2, 8, 8, 1)
    with pytest.raises(UserError, match="m2 takes the labels by itself"):
        check_config(tiny(recipe="m2", conditioning="labels"))
    with pytest.raises(UserError, match=r"config\.conditioning tells them: leave one of the two"):
        check_config(tiny(objective="supervised", conditioning="labels"))
    tfvae.data.register("plain", lambda request: np.zeros((20, 4, 4), np.uint8))
    with pytest.raises(UserError, match="'plain' has no labels"):
        build_model(tiny(dataset="plain", conditioning="labels"))


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
    with pytest.raises(UserError, match="neither the recipe vae nor its objective takes"):
        check_config(tiny(labelled=20))
    with pytest.raises(UserError, match="labelled=20 without labels=True"):
        tfvae.data.load("digits", labelled=20)
    with pytest.raises(UserError, match="labelled=2000: 'digits' has 1500 examples"):
        tfvae.data.load("digits", labels=True, labelled=2000)
