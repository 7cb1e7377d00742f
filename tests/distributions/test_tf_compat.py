"""What is taken of TensorFlow beyond its public API does what it is there for."""

import tensorflow as tf

from tfvae.distributions.tf_compat import graphs_outwards, is_function


def kinds():
    return [graph and is_function(graph) for graph in graphs_outwards()]


def test_graphs_around_are_found_and_functions_told_from_loops():
    seen = {"eager": kinds()}

    @tf.function
    def inner():
        seen["function in function"] = kinds()

    @tf.function
    def outer(x):
        seen["function"] = kinds()
        tf.while_loop(lambda i: i < 3, lambda i: (seen.update(loop=kinds()), i + 1)[1], [0])
        tf.cond(x > 0, lambda: (seen.update(branch=kinds()), x)[1], lambda: x)
        inner()

    outer(tf.constant(1.0))
    assert seen == {
        "eager": [None],
        "function": [True, None],
        "loop": [False, True, None],
        "branch": [False, True, None],
        "function in function": [True, True, None],
    }
