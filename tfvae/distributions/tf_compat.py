"""All that this package takes of TensorFlow beyond its public API, in one file.

Each entry says what it is for and how one would notice that TensorFlow changed. The package takes
nothing private of TensorFlow Probability: its extension points (`_log_prob`, `_sample_n`,
`_parameter_properties` and the like), which tfp documents for subclasses, are defined in classes of
our own and never called on others'. `tests/test_private_api.py` holds the list.
"""

from __future__ import annotations

from collections.abc import Iterator

import tensorflow as tf
from tensorflow.python.eager import context as _context

__all__ = [
    "SymbolicOrEagerTensor",
    "cluster_store",
    "graphs_outwards",
    "has_started",
    "inputs_of",
    "is_function",
]

# The type that TensorFlow and Keras take for a tensor (`tf.is_tensor`): a distribution that derives
# from it passes between Keras layers. The public `tf.Tensor` cannot be derived from.
# If it goes: `import tfvae.layers` fails with an AttributeError.
SymbolicOrEagerTensor = tf.__internal__.types.Tensor


def graphs_outwards() -> Iterator[tf.Graph | None]:
    """The graph that is being made, the one around it, and so on; None stands for eager execution.

    Inside `tf.cond`, `tf.while_loop` and functions a tensor of an outer graph can be used, one of
    a finished inner graph cannot: whoever keeps tensors has to tell them apart. The attribute
    `outer_graph` is the only way to.
    If it goes: draws of one distribution differ inside and outside of a loop, and
    `tests/distributions/test_tf_compat.py` fails.
    """
    graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
    while graph is not None:
        yield graph
        graph = getattr(graph, "outer_graph", None)
        if graph is not None and not hasattr(graph, "outer_graph"):
            break  # the empty graph around all functions that are made eagerly
    yield None


def is_function(graph: tf.Graph | None) -> bool:
    """Whether a graph is the body of a `tf.function`, which outlives the call that traced it.

    Bodies of loops and branches are graphs of derived classes. What a body captures of the graph
    around it stays as it was when it was traced, so noise must not come in that way.
    If the class changes its name: `tests/distributions/test_tf_compat.py` fails.
    """
    return type(graph).__name__ == "FuncGraph"


def inputs_of(dataset: tf.data.Dataset) -> list[tf.data.Dataset] | None:
    """The data sets that one was made from, or None where TensorFlow does not tell.

    If `_inputs` goes, the number of examples is known of this package's own data sets alone, and
    `tests/data/test_counting.py` fails.
    """
    return list(dataset._inputs()) if hasattr(dataset, "_inputs") else None


def cluster_store():
    """The key-value store of the cluster's coordination service: `set_` and `get_config_key_value`.

    Workers compare by it what they are about to train before their first collective, which would
    hang or die where they differ. The package `tensorflow.python` has the only way to it.
    If it goes: `import tfvae` fails, or the comparison of the workers does.
    """
    return _context.context()


def has_started() -> bool:
    """Whether TensorFlow's runtime has started: it takes no cluster from then on.

    If it goes: `tests/distribute/test_cluster.py` fails.
    """
    return _context.context()._initialized
