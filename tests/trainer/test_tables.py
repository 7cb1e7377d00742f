import numpy as np
import pytest
import scipy.sparse

from tfvae.errors import UserError


def pairs(binary):
    """x as an array, and as the tables that it can be."""
    x = binary[:, :, 0, 0]
    yield x, scipy.sparse.csr_matrix(x)
    try:
        import pandas
    except ImportError:
        return
    yield x, pandas.DataFrame(x)


@pytest.mark.exhaustive
def test_tables_train_and_are_evaluated_as_arrays_are(make_vae, binary, assert_same_weights):
    for x, table in pairs(binary):
        found, models = [], []
        for data in (x, table):
            vae = make_vae(event=(3,))
            vae.compile("sgd")
            weights = np.linspace(0, 1, 40, dtype=np.float32)
            history = vae.fit(
                data, sample_weight=weights, validation_split=0.25, batch_size=10, shuffle=False,
                epochs=2, verbose=0,
            ).history  # fmt: skip
            vae.fit(data, validation_data=(data,), batch_size=10, verbose=0)
            scores = vae.evaluate(data, batch_size=10, verbose=0, return_dict=True)
            found.append(
                [history["elbo"], history["val_elbo"], scores["elbo"], vae.elbo(data, seed=1),
                 vae.log_prob(data, 3, seed=1), *vae.predict(data, verbose=0).values()]
            )  # fmt: skip
            models.append(vae)
        for one, other in zip(*found, strict=True):
            assert np.shape(one) == np.shape(other)
        np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5)
        np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-5)


def test_a_column_without_numbers_is_named(make_vae):
    pandas = pytest.importorskip("pandas")
    vae = make_vae(event=(2,))
    vae.compile("sgd")
    with pytest.raises(UserError, match="the column 'b' holds"):
        vae.fit(pandas.DataFrame({"a": [0.0, 1.0], "b": ["u", "v"]}), verbose=0)
