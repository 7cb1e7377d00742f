import numpy as np
import pytest

from tfvae.errors import UserError
from tfvae.networks import MLP


def test_is_matrices_and_an_activation():
    x = np.random.default_rng(0).normal(size=(3, 2, 4)).astype(np.float32)
    mlp = MLP([6, 5], "tanh")
    mlp(x)
    mlp.set_weights([w + 0.1 for w in mlp.get_weights()])
    w1, b1, w2, b2 = mlp.get_weights()
    expected = np.tanh(np.tanh(x.reshape(3, 8) @ w1 + b1) @ w2 + b2)
    np.testing.assert_allclose(mlp(x), expected, rtol=1e-5, atol=1e-6)


def test_without_layers_it_flattens():
    x = np.arange(12.0, dtype=np.float32).reshape(2, 3, 2)
    np.testing.assert_array_equal(MLP([])(x), x.reshape(2, 6))
    assert MLP([]).compute_output_shape((None, 3, 2)) == (None, 6)


def test_an_unknown_activation_is_refused():
    with pytest.raises(ValueError, match="rellu"):
        MLP([3], "rellu")


@pytest.mark.parametrize("wrong", [8, "200", [0], [2.5], None])
def test_what_is_no_list_of_units_is_refused(wrong):
    with pytest.raises(UserError, match="hidden takes the units of each layer"):
        MLP(wrong)
