import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae import data
from tfvae.data import registry
from tfvae.errors import UserError
from tfvae.runs import FiniteSteps, loop
from tfvae.runs.diagnosis import diagnose
from tfvae.runs.finite import NotFiniteError

BATCH, BATCHES = 4, 6


def vectors(bad=(), value=1e38):
    """24 vectors; squares of the bad ones are not finite in float32."""
    x = np.random.default_rng(0).normal(size=(BATCH * BATCHES, 3)).astype(np.float32)
    for batch in bad:
        x[batch * BATCH] = value
    return x


def dataset(bad=()):
    return tf.data.Dataset.from_tensor_slices(vectors(bad)).batch(BATCH)


def make(optimizer="adam", normalized=False, objective=None, latents=None, **compile_options):
    keras.utils.set_random_seed(1)
    trunk = tfvae.networks.MLP([5], "tanh")
    if normalized:  # a layer with moving means of its own
        trunk = keras.Sequential([keras.layers.BatchNormalization(), keras.layers.Dense(5)])
    encoder = tfvae.networks.Encoder(trunk, tfvae.layers.IndependentNormal(2))
    if latents is not None:
        encoder = tfvae.networks.BottomUp([trunk, keras.layers.Dense(6)])
    decoder = tfvae.networks.Decoder(tfvae.networks.MLP([5]), tfvae.layers.IndependentNormal(3))
    vae = tfvae.VAE(encoder, decoder, objective=objective and objective(), latents=latents)
    vae.build((None, 3))
    vae.compile(optimizer, **compile_options)
    return vae


def state(vae):
    return [np.asarray(v.numpy()) for v in (*vae.weights, *vae.optimizer.variables)]


def assert_same(one, other, least=11):
    assert len(one) == len(other) >= least
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("pace", [1, 4])
@pytest.mark.representatives("4")
def test_it_stops_with_the_weights_before_the_step(pace):
    vae = make(steps_per_execution=pace)
    with pytest.raises(NotFiniteError, match=r"step 4 is not finite: .*on_nan=skip"):
        vae.fit(dataset(bad=[3]), epochs=2, verbose=0, callbacks=[FiniteSteps()])
    before = make(steps_per_execution=1)
    before.fit(dataset().take(3), verbose=0)
    assert_same(state(vae), state(before))


def test_finite_steps_are_the_same_with_and_without():
    one, other = make(steps_per_execution=4), make(steps_per_execution=4)
    histories = [
        vae.fit(dataset(), epochs=2, verbose=0, callbacks=callbacks).history
        for vae, callbacks in ((one, [FiniteSteps()]), (other, []))
    ]
    assert_same(state(one), state(other))
    assert histories[0] == histories[1]


@pytest.mark.parametrize(("normalized", "xla"), [(False, False), (True, False), (False, True)])
@pytest.mark.representatives("False-True")
def test_a_skipped_step_leaves_no_trace_but_its_number(normalized, xla):
    vae = make(normalized=normalized, jit_compile=xla, steps_per_execution=3)
    skip = FiniteSteps("skip", cap=2)
    history = vae.fit(dataset(bad=[1, 4]), verbose=0, callbacks=[skip]).history
    assert skip.skipped == 2
    assert np.isfinite(history["loss"]).all()
    assert int(vae.optimizer.iterations) == BATCHES
    other = make(normalized=normalized, jit_compile=xla, steps_per_execution=1)
    whole = dataset()
    for batch in range(BATCHES):
        if batch in (1, 4):
            other.optimizer.iterations.assign_add(1)
        else:
            other.fit(whole.skip(batch).take(1), verbose=0)
    assert_same(state(vae), state(other))


def test_more_than_the_cap_stops():
    vae = make(steps_per_execution=6)
    with pytest.raises(NotFiniteError, match=r"step 5 .* after 1 that were left out"):
        vae.fit(dataset(bad=[1, 4]), verbose=0, callbacks=[FiniteSteps("skip", cap=1)])
    assert np.isfinite(np.concatenate([np.ravel(v) for v in state(vae)])).all()


def test_a_gradient_alone_is_seen():
    vae = make()

    def slope(x):
        """The square root has no slope at zero: the value is finite, the gradient is not."""
        return x + tf.sqrt(tf.nn.relu(x - 100.0))

    vae.encoder.trunk.stack[1].activation = slope
    vae.compile("adam")
    with pytest.raises(NotFiniteError, match="step 1 is not finite"):
        vae.fit(dataset(), verbose=0, callbacks=[FiniteSteps()])
    path = vae.encoder.trunk.stack[1].kernel.path
    assert diagnose(vae, vectors()[:4]).startswith("the loss is finite, and the gradient is not")
    assert path.rsplit("/", 1)[0] in diagnose(vae, vectors()[:4])


def test_the_first_layer_is_named():
    vae = make()
    assert diagnose(vae, vectors()[:4]) == "done once more on one device, it is finite"
    layer = vae.decoder.trunk.stack[1]
    layer.kernel.assign(layer.kernel * np.float32(3e38))
    layer.activation = keras.activations.linear
    assert f"the first layer whose output is not finite is {layer.path}" in diagnose(
        vae, 1e6 * vectors()[:4]
    )


@pytest.mark.parametrize("branches", [1, 2])
def test_the_step_is_repeated_with_its_own_noise(branches, monkeypatch):
    vae = make(branches=branches, run_eagerly=True)
    vae.optimizer.iterations.assign(7)
    draws = []
    monkeypatch.setattr(vae.objective, "gate", lambda z: draws.append(z.numpy()) or (z, None))
    assert diagnose(vae, vectors()[:5]) == "done once more on one device, it is finite"
    vae.train_on_batch(vectors()[:5])
    assert [z.shape for z in draws] == 2 * {1: [(5, 2)], 2: [(2, 2), (3, 2)]}[branches]
    assert_same(np.concatenate(draws[:branches]), np.concatenate(draws[branches:]), least=5)


def test_a_penalty_that_is_not_finite_is_no_riddle(monkeypatch):
    vae = make()
    monkeypatch.setattr(type(vae), "losses", [tf.constant(np.inf)])
    assert diagnose(vae, vectors()[:4]) == "the loss is inf and all its terms are finite"


def test_overflow_of_a_scaled_loss_is_not_a_fault():
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(), initial_scale=2.0**127)
    vae = make(optimizer)
    vae.fit(dataset(), verbose=0, callbacks=[FiniteSteps()])
    assert float(vae.optimizer.dynamic_scale) < 2.0**127


def test_two_replicas_stop_alike(mirrored):
    with mirrored.scope():
        vae = make("sgd")
    with pytest.raises(NotFiniteError, match="step 3 "):
        vae.fit(dataset(bad=[2]), verbose=0, callbacks=[FiniteSteps()])
    assert int(vae.optimizer.iterations.numpy()) == 2
    assert all(np.isfinite(w.numpy()).all() for w in vae.weights)


UPDATED_BY_THEMSELVES = {
    "moving means, discriminator": lambda: make(
        normalized=True, objective=lambda: tfvae.objectives.FactorVAE(units=(4,))
    ),
    "codebook": lambda: make(latents=tfvae.latents.VectorQuantizer(codes=5, size=2)),
}


@pytest.mark.parametrize("name", UPDATED_BY_THEMSELVES)
def test_a_step_that_two_replicas_skip_leaves_no_trace_but_its_number(name, mirrored):
    with mirrored.scope():
        vae, other = UPDATED_BY_THEMSELVES[name](), UPDATED_BY_THEMSELVES[name]()
    skip = FiniteSteps("skip")
    # The bad example is in the part of the first replica.
    history = vae.fit(dataset(bad=[2]), verbose=0, callbacks=[skip]).history
    assert skip.skipped == 1

    def pass_by(batch, logs=None):
        other.optimizer.iterations.assign_add(int(batch == 2))

    without = dataset().take(2).concatenate(dataset().skip(3))
    passing = keras.callbacks.LambdaCallback(on_train_batch_begin=pass_by)
    assert other.fit(without, verbose=0, callbacks=[passing]).history == history
    states = [
        [
            copy.numpy()
            for v in (*m.variables, *m.optimizer.variables, *own_variables(m))
            for copy in vae.distribute_strategy.experimental_local_results(v.value)
        ]
        for m in (vae, other)
    ]
    assert_same(*states)


def own_variables(vae):
    return getattr(getattr(vae.objective, "optimizer", None), "variables", ())


def test_a_mistyped_choice_is_refused():
    with pytest.raises(UserError, match="'stop' or 'skip'"):
        FiniteSteps("ignore")


@pytest.fixture(scope="module")
def poisoned():
    """A dataset whose one bad example is in the middle of the second epoch's batches or so."""
    x = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    x[60] = 1e38
    data.register("poisoned", lambda request: {"x_train": x, "x_test": x[:20]})
    yield
    del registry._entries["poisoned"]


@pytest.mark.usefixtures("poisoned")
def test_a_run_names_the_term_and_the_layer_and_keeps_its_checkpoint(tiny, train, result, tmp_path):
    fields = {
        "dataset": "poisoned", "train_split": "train", "test_split": "test[:20]", "epochs": 2,
        "likelihood": "normal", "steps_per_execution": 4, "checkpoint_every": "1 steps",
    }  # fmt: skip
    with pytest.raises(NotFiniteError) as error:
        train(tiny(fields), tmp_path / "run")
    message = str(error.value)
    assert "\n" not in message
    assert "the term 'distortion' is " in message
    assert "of epoch 1" in message
    step = int(message.split()[1])
    saved = sorted((tmp_path / "run" / "checkpoints").glob("step-*.keras"))
    assert f"{saved[-1]} is kept" in message
    kept = tfvae.load(saved[-1])
    assert int(kept.optimizer.iterations) < step
    assert all(np.isfinite(w.numpy()).all() for w in kept.weights)

    # Told to leave such steps out, the same run goes on: once an epoch there is one.
    said = []
    loop.train_and_evaluate(
        tiny({**fields, "on_nan": "skip"}), tmp_path / "run", strategy="one_device", verbose=0,
        say=said.append,
    )  # fmt: skip
    assert "2 steps were not finite and were left out" in said
    done = result(tmp_path / "run")
    assert int(done.vae.optimizer.iterations) == 2 * 12
    assert all(np.isfinite(float(value)) for row in done.rows for value in row.values())
    record = sorted((tmp_path / "run" / "checkpoints").glob("step-*.json"))[-1].read_text()
    assert '"skipped": 2' in record
