import keras
import numpy as np
import scipy.special

from tfvae.objectives import IWAE, MIWAE


def test_value_is_the_mean_of_independent_bounds(make_vae, binary):
    vae = make_vae()
    output = vae(binary, samples=12, seed=3)
    loss, terms = MIWAE(3, 4)(binary, output)
    latent = output.latents[0]
    log_w = (
        output.likelihood.log_prob(binary)
        + latent.prior.log_prob(latent.z)
        - latent.posterior.log_prob(latent.z)
    ).numpy()
    parts = log_w.reshape(3, 4, 40)
    bound = (scipy.special.logsumexp(parts, axis=1) - np.log(4)).mean(0)
    np.testing.assert_allclose(-loss, bound, rtol=1e-5)
    np.testing.assert_array_equal(terms["miwae_bound"], -loss)
    effective = (1 / (scipy.special.softmax(parts, axis=1) ** 2).sum(1)).mean(0)
    np.testing.assert_allclose(terms["effective_samples"], effective, rtol=1e-4)


def test_between_the_elbo_and_the_bound_of_all_samples(make_vae, binary):
    vae = make_vae()
    output = vae(binary, samples=12, seed=3)
    losses = [
        objective(binary, output).loss.numpy()
        for objective in (MIWAE(12, 1), MIWAE(3, 4), MIWAE(1, 12), IWAE(12))
    ]
    # By Jensen's inequality, for every example.
    assert (losses[0] > losses[1]).all()
    assert (losses[1] > losses[2]).all()
    np.testing.assert_array_equal(losses[2], losses[3])


def test_config_round_trip():
    objective = MIWAE(3, 4, "stl", kl="analytic")
    assert objective.samples == 12
    same = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(objective))
    assert same.get_config() == objective.get_config()
    assert (same.bounds, same.samples, same.gradient, same.kl) == (3, 12, "stl", "analytic")


def test_the_model_draws_all_samples(make_vae, binary):
    vae = make_vae(objective=MIWAE(3, 4, "dreg"))
    vae.compile("sgd")
    logs = vae.fit(binary, verbose=0).history
    np.testing.assert_allclose(logs["loss"], -np.array(logs["miwae_bound"]), rtol=1e-6)
    assert 1 <= logs["effective_samples"][0] <= 4
