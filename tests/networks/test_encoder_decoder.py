import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae.layers import IndependentBernoulli, IndependentNormal, MultivariateNormalTriL
from tfvae.networks import MLP, Decoder, Encoder
from tfvae.networks.conditioning import join

tfd = tfp.distributions


@pytest.fixture
def images():
    return np.random.default_rng(0).random((5, 4, 4, 2)).astype(np.float32)


def one_hot():
    return keras.layers.CategoryEncoding(3, output_mode="one_hot")


@pytest.mark.parametrize("head", [lambda: IndependentNormal(3), lambda: MultivariateNormalTriL(3)])
def test_an_encoder_is_a_distribution_over_z(images, head):
    posterior = Encoder(MLP([8]), head())(images)
    assert isinstance(posterior, tfd.Distribution)
    assert posterior.batch_shape == [5]
    assert posterior.event_shape == [3]
    assert posterior.log_prob(np.zeros((5, 3), np.float32)).shape == [5]


def test_a_decoder_is_a_distribution_over_x(images):
    likelihood = Decoder(MLP([8]), IndependentNormal((4, 4, 2)))(np.zeros((5, 3), np.float32))
    assert likelihood.batch_shape == [5]
    assert likelihood.event_shape == [4, 4, 2]
    assert likelihood.log_prob(images).shape == [5]


def test_both_are_keras_models():
    assert isinstance(Encoder(MLP([8]), IndependentNormal(3)), keras.Model)
    assert isinstance(Decoder(MLP([8]), IndependentNormal(3)), keras.Model)


def test_the_projection_is_put_and_is_a_matrix(images):
    encoder = Encoder(MLP([8]), MultivariateNormalTriL(3))
    encoder(images)
    assert encoder.projection.kernel.shape == (8, 9)
    features = encoder.trunk(images)
    raw = features @ encoder.projection.kernel + encoder.projection.bias
    np.testing.assert_allclose(encoder(images).mean(), raw[:, :3], rtol=1e-5, atol=1e-6)


def test_features_on_the_grid_of_the_event_are_projected_in_place():
    trunk = keras.Sequential([keras.layers.Dense(48), keras.layers.Reshape((4, 4, 3))])
    decoder = Decoder(trunk, IndependentNormal((4, 4, 2)))
    likelihood = decoder(np.ones((5, 7), np.float32))
    assert decoder.projection.kernel.shape == (3, 4)
    assert likelihood.event_shape == [4, 4, 2]
    raw = decoder.projection(decoder.trunk(np.ones((5, 7), np.float32)))
    np.testing.assert_allclose(likelihood.mean(), raw[..., :2], rtol=1e-5)


def test_features_on_another_grid_are_flattened():
    trunk = keras.Sequential([keras.layers.Dense(12), keras.layers.Reshape((2, 2, 3))])
    decoder = Decoder(trunk, IndependentBernoulli((4, 4, 2)))
    assert decoder(np.ones((5, 7), np.float32)).event_shape == [4, 4, 2]
    assert decoder.projection.kernel.shape == (12, 32)


def test_any_keras_layer_is_a_trunk(images):
    for trunk in [
        keras.layers.Flatten(),
        keras.Sequential([keras.layers.Conv2D(3, 2), keras.layers.GlobalAveragePooling2D()]),
        keras.Model(i := keras.Input((4, 4, 2)), keras.layers.Dense(3)(keras.layers.Flatten()(i))),
    ]:
        encoder = Encoder(trunk, IndependentNormal(3))
        assert encoder(images).event_shape == [3]
        assert len(encoder.trainable_weights) == len(trunk.trainable_weights) + 2


def test_training_reaches_the_trunk(images):
    trunk = keras.Sequential([keras.layers.Flatten(), keras.layers.Dropout(0.5)])
    encoder = Encoder(trunk, IndependentNormal(3))
    means = [encoder(images, training=t).mean().numpy() for t in (False, False, True, True)]
    np.testing.assert_array_equal(means[0], means[1])
    assert np.abs(means[2] - means[3]).max() > 0


def test_all_weights_are_trained(images):
    encoder = Encoder(MLP([8, 8]), IndependentNormal(3, scale="shared"))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(encoder(images).log_prob(np.ones((5, 3), np.float32)))
    gradients = tape.gradient(loss, encoder.trainable_weights)
    assert len(gradients) == 2 * 2 + 2 + 1
    assert all(g is not None and np.abs(g).max() > 0 for g in gradients)


# Conditioning.


def test_join_puts_features_or_channels():
    vector = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    flat = join(tf.zeros([2, 3]), vector)
    np.testing.assert_array_equal(flat, [[0, 0, 0, 1, 2], [0, 0, 0, 3, 4]])
    image = join(tf.zeros([2, 4, 5, 1]), vector)
    assert image.shape == [2, 4, 5, 3]
    np.testing.assert_array_equal(image[1, 2, 3], [0, 3, 4])
    np.testing.assert_array_equal(image[0, ..., 2], np.full((4, 5), 2.0))


@pytest.mark.parametrize("labels", [np.arange(5) % 3, (np.arange(5) % 3).astype(np.int32)])
def test_labels_through_a_conditioner(images, labels):
    encoder = Encoder(MLP([8]), IndependentNormal(3), conditioner=one_hot())
    mean = encoder(images, context=labels).mean()
    assert encoder.trunk.stack[1].kernel.shape[0] == 4 * 4 * (2 + 3)
    # An example's mean depends on its own label alone.
    other = labels.copy()
    other[0] = (other[0] + 1) % 3
    moved = np.abs(encoder(images, context=other).mean() - mean).max(axis=1)
    assert moved[0] > 1e-4
    assert moved[1:].max() == 0


def test_vectors_through_an_identity_and_through_a_network():
    z, context = np.zeros((5, 2), np.float32), np.eye(5, 4, dtype=np.float32)
    for conditioner in [keras.layers.Identity(), keras.layers.Dense(6)]:
        decoder = Decoder(MLP([8]), IndependentNormal(3), conditioner=conditioner)
        mean = decoder(z, context=context).mean().numpy()
        assert len(np.unique(mean.round(6), axis=0)) == 5


def test_context_and_conditioner_belong_together(images):
    plain = Encoder(MLP([8]), IndependentNormal(3))
    with pytest.raises(tfvae.UserError, match="got a context but has no conditioner"):
        plain(images, context=np.arange(5))
    conditional = Encoder(MLP([8]), IndependentNormal(3), conditioner=one_hot())
    with pytest.raises(tfvae.UserError, match="has a conditioner but got no context"):
        conditional(images)


def test_a_head_without_parameters_is_refused():
    with pytest.raises(tfvae.UserError, match=r"a layer of tfvae\.layers.*got Dense"):
        Decoder(MLP([8]), keras.layers.Dense(3))


# Precision and saving.


@pytest.mark.parametrize("name", ["mixed_bfloat16", "mixed_float16"])
def test_the_trunk_is_mixed_and_the_distribution_float32(images, policy, name):
    policy(name)
    encoder = Encoder(MLP([8]), IndependentNormal(3))
    posterior = encoder(images)
    assert encoder.trunk(tf.cast(images, name.removeprefix("mixed_"))).dtype == name[6:]
    assert encoder.projection.compute_dtype == "float32"
    assert posterior.dtype == tf.float32
    assert posterior.sample().dtype == tf.float32


@pytest.mark.parametrize("cls", [Encoder, Decoder])
@pytest.mark.parametrize("conditional", [False, True])
def test_keras_round_trip(images, tmp_path, cls, conditional):
    conditioner = one_hot() if conditional else None
    network = cls(MLP([8], "tanh"), MultivariateNormalTriL(3), conditioner=conditioner, name="n")
    context = {"context": np.arange(5) % 3} if conditional else {}
    before = network(images, **context)
    network.save(tmp_path / "n.keras")
    same = keras.saving.load_model(tmp_path / "n.keras")
    assert type(same) is cls
    assert same.name == "n"
    after = same(images, **context)
    np.testing.assert_array_equal(after.mean(), before.mean())
    np.testing.assert_array_equal(after.covariance(), before.covariance())


def test_a_dynamic_batch_in_a_graph(images):
    encoder = Encoder(MLP([8]), IndependentNormal(3))
    encoder(images)

    @tf.function(input_signature=[tf.TensorSpec([None, 4, 4, 2])])
    def mean(x):
        return encoder(x).mean()

    np.testing.assert_allclose(mean(images), encoder(images).mean(), rtol=1e-5, atol=1e-6)
    assert mean(images[:2]).shape == [2, 3]
