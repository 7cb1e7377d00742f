import pytest

import tfvae


def test_the_list_names_everything(flagged):
    done = flagged("train", "--list")
    assert done.code == 0
    for word in ("recipes:", "vq_vae", "datasets:", "mnist", "likelihoods:", "poisson",
                 "posteriors:", "multivariate_normal_tril", "priors:", "vamp_prior",
                 "objectives:", "miwae", "optimizers:", "lion", "configs:", "cifar10"):  # fmt: skip
        assert word in done.out


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("vamp_vae", ["--config.vamp_vae.pseudo_inputs=500", "Components of the prior.",
                      "--config.latent_dim=16", "from 1 to 1000000"]),
        ("beta_vae", ["--config.latent_dim=16", "--config.beta=4.0"]),
        ("vamp_prior", ["--config.vamp_prior.pseudo_inputs=500"]),
        ("iwae", ["recipe iwae", "objective iwae", "plain | stl | dreg"]),
        ("normal", ["--config.normal.scale=learned", "--config.normal_posterior.scale=learned"]),
        ("learning_rate_schedule", ["--config.learning_rate_schedule.warmup_steps=0"]),
        ("sgd", ["optimizer sgd", "--config.optimizer_options.momentum=0.0", "nesterov=False"]),
        ("run", ["--config.optimizer=adam", "--config.clipnorm=None"]),
    ],
)  # fmt: skip
def test_the_list_of_a_name_has_its_fields(name, words, flagged, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    done = flagged("train", f"--list={name}")
    assert (done.code, done.err) == (0, "")
    for word in words:
        assert word in " ".join(done.out.split())
    assert max(map(len, done.out.splitlines())) <= 60


def test_a_recipe_lists_no_field_that_it_does_not_take(flagged):
    out = flagged("train", "--list=iwae").out
    assert "--config.beta" not in out
    assert "--config.objective" not in out


def test_an_unknown_name_in_the_list(flagged):
    done = flagged("train", "--list=vamp_vea")
    assert done.code == 2
    assert "did you mean 'vamp_vae'" in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("name", ["train", "evaluate", "sample"])
def test_the_version(name, flagged):
    done = flagged(name, "--version")
    assert (done.code, done.out) == (0, f"tfvae {tfvae.__version__}\n")
