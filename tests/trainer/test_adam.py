"""The fused Adam against Keras's."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae.trainer import keras_compat


def trained(kind, *, steps=6, jit=False, **options):
    """Weights of a dense layer, and an embedding, after some steps on the same gradients."""
    keras.utils.set_random_seed(0)
    dense, table = keras.layers.Dense(3), keras.layers.Embedding(5, 3)
    dense.build((None, 4))
    table.build(None)
    optimizer = kind(0.05, **options)
    weights = dense.trainable_weights + table.trainable_weights
    optimizer.build(weights)
    rng = np.random.default_rng(0)

    @tf.function(jit_compile=jit)
    def step(x):
        with tf.GradientTape() as tape:
            y = dense(x) + tf.reduce_sum(tf.gather(table.embeddings.value, [1, 3]), axis=0)
            loss = tf.reduce_mean(tf.square(y - 1.0))
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))

    for _ in range(steps):
        step(tf.constant(rng.normal(size=(8, 4)), tf.float32))
    return [np.array(w) for w in weights], [np.array(v) for v in optimizer.variables]


DECAY = keras.optimizers.schedules.ExponentialDecay(0.05, 10, 0.5)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
        {"amsgrad": True},
        {"clipnorm": 0.1, "weight_decay": 0.01},
        {"use_ema": True, "ema_momentum": 0.9, "gradient_accumulation_steps": 2},
        {"learning_rate": DECAY},
    ],
    ids=["defaults", "decays", "amsgrad", "clipped", "averaged", "schedule"],
)
def test_weights_and_slots_are_those_of_keras(options):
    def of(base):
        return lambda rate, **kw: base(**{"learning_rate": rate, **kw})

    ours = trained(of(tfvae.trainer.Adam), **options)
    theirs = trained(of(keras.optimizers.Adam), **options)
    for one, other in zip([*ours[0], *ours[1]], [*theirs[0], *theirs[1]], strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(
    "options",
    [{}, {"weight_decay": 0.01, "use_ema": True, "ema_momentum": 0.9}, {"amsgrad": True}, "scaled"],
    ids=["defaults", "decayed and averaged", "amsgrad", "scaled"],
)
def test_two_replicas_take_the_steps_of_keras(mirrored, options):
    """The gradients differ by replica, so that a sum that is left out would show."""
    x = np.random.default_rng(0).normal(size=(4, 2, 5, 4)).astype(np.float32)
    runs = []
    for kind in (tfvae.trainer.Adam, keras.optimizers.Adam):
        with mirrored.scope():
            keras.utils.set_random_seed(0)
            dense = keras.layers.Dense(3)
            dense.build((None, 4))
            optimizer = kind(0.05, **({} if options == "scaled" else options))
            if options == "scaled":
                optimizer = keras.optimizers.LossScaleOptimizer(optimizer, 8.0, 2)
            optimizer.build(dense.trainable_weights)

        def step(batch, dense=dense, optimizer=optimizer):
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            weights = dense.trainable_weights
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(dense(tf.gather(batch, number)) - 1.0))
                loss = optimizer.scale_loss(loss)
            optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))

        run = tf.function(lambda batch, step=step: mirrored.run(step, args=(batch,)))
        for batch in x:
            run(tf.constant(batch))
        variables = [*dense.trainable_weights, *optimizer.variables]
        runs.append([mirrored.experimental_local_results(v.value) for v in variables])
    assert len(runs[0]) == len(runs[1]) > 4
    for ours, theirs in zip(*runs, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-6)


def test_it_is_one_operation_a_weight_and_compiles():
    (weights, _), (others, _) = (trained(tfvae.trainer.Adam, jit=jit) for jit in (False, True))
    for one, other in zip(weights, others, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-6)
    variable = keras.Variable(np.zeros(3, np.float32))
    optimizer = tfvae.trainer.Adam()
    optimizer.build([variable])
    optimizer.update_step(tf.ones(3), variable, 0.1)  # by itself: Keras's
    np.testing.assert_allclose(variable, -0.1 * np.ones(3), rtol=1e-3)
    step = tf.function(lambda g: optimizer.apply_gradients([(g, variable)]))
    graph = step.get_concrete_function(tf.TensorSpec([3])).graph
    assert sum(op.type == "ResourceApplyAdam" for op in graph.get_operations()) == 1
    assert not [op for op in graph.get_operations() if op.type == "Sqrt"]


def test_a_saved_model_goes_on_with_it(tmp_path):
    vae = tfvae.recipes.vae((8, 8, 1), 2, hidden=(8,))
    vae.compile("adam")
    assert isinstance(vae.optimizer, tfvae.trainer.Adam)
    data = tfvae.data.load("digits", "train[:200]", 100)
    vae.fit(data, epochs=1, verbose=0)
    vae.save(tmp_path / "m.keras")
    again = tfvae.load(tmp_path / "m.keras")
    assert isinstance(again.optimizer, tfvae.trainer.Adam)
    for one, other in zip(vae.optimizer.variables, again.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_keras_that_is_not_known_takes_its_own_update(make_vae, binary, monkeypatch, caplog):
    monkeypatch.setattr(keras, "__version__", "3.99.0")
    keras_compat._warn.cache_clear()
    ours, theirs = trained(tfvae.trainer.Adam), trained(keras.optimizers.Adam)
    for one, other in zip([*ours[0], *ours[1]], [*theirs[0], *theirs[1]], strict=True):
        np.testing.assert_array_equal(one, other)
    vae = make_vae()
    vae.compile(keras.optimizers.SGD(0.01))
    vae.fit(binary, steps_per_epoch=1, verbose=0)
    assert [m.count("and this is Keras 3.99.0") for m in caplog.messages] == [1]
    keras_compat._warn.cache_clear()
