import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae import distribute


def per_replica(strategy, values):
    """Values that differ by replica, as a distributed batch does."""
    return strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(values[context.replica_id_in_sync_group])
    )


def run(strategy, function, *args):
    """What each replica returns."""
    results = tf.function(lambda: strategy.run(function, args))()
    return [np.asarray(r) for r in strategy.experimental_local_results(results)]


def test_strategies_by_name():
    assert distribute.strategy("one_device").num_replicas_in_sync == 1
    assert isinstance(distribute.strategy("mirrored"), tf.distribute.MirroredStrategy)
    gpus = len(tf.config.list_logical_devices("GPU"))
    assert distribute.strategy("mirrored").num_replicas_in_sync == (gpus or 2)
    assert distribute.strategy().num_replicas_in_sync == max(1, gpus)


def test_auto_on_processors_is_one_device():
    if tf.config.list_logical_devices("GPU"):
        pytest.skip("there is a GPU")
    assert distribute.strategy("auto") is tf.distribute.get_strategy()


def test_an_unknown_strategy_is_refused_with_the_nearest():
    with pytest.raises(tfvae.UserError, match="did you mean 'mirrored'"):
        distribute.strategy("mirored")


@pytest.mark.parametrize("seed", [0, 5, 2**31 + 5, 2**40, -1, np.int64(7), np.uint8(7)])
def test_as_seed_of_integers(seed):
    made = distribute.as_seed(seed)
    assert made.dtype == tf.int32
    assert made.shape == [2]
    np.testing.assert_array_equal(made, distribute.as_seed(int(seed)))


def test_as_seed_keeps_seeds_apart():
    seeds = [0, 1, 2, -1, -2, 2**31 - 1, 2**31, 2**31 + 1, 2**32, 2**32 + 1, 2**61]
    made = {tuple(distribute.as_seed(seed).numpy()) for seed in seeds}
    assert len(made) == len(seeds)


def test_as_seed_of_tensors_agrees_with_integers():
    np.testing.assert_array_equal(distribute.as_seed(tf.constant(5)), distribute.as_seed(5))
    np.testing.assert_array_equal(distribute.as_seed(tf.constant([3, 4])), [3, 4])
    np.testing.assert_array_equal(distribute.as_seed((3, 4)), [3, 4])


def test_no_seed_is_a_fresh_one_each_time_in_a_graph_too():
    fresh = tf.function(lambda: distribute.as_seed(None))
    made = {tuple(f().numpy()) for f in [fresh, fresh, lambda: distribute.as_seed(None)]}
    assert len(made) == 3


def test_fold_in_makes_new_seeds():
    seed = distribute.as_seed(0)
    made = {tuple(distribute.fold_in(seed, i).numpy()) for i in range(100)}
    assert len(made) == 100
    np.testing.assert_array_equal(
        distribute.fold_in(seed, tf.constant(3, tf.int64)), distribute.fold_in(seed, 3)
    )
    np.testing.assert_array_equal(distribute.fold_in(seed, 3.0), distribute.fold_in(seed, 3))


def test_replica_seed_is_a_function_of_seed_and_step():
    made = {
        tuple(distribute.replica_seed(seed, tf.constant(step, tf.int64)).numpy())
        for seed in range(5)
        for step in range(20)
        for _ in range(2)
    }
    assert len(made) == 100


def test_replica_seed_differs_by_replica(mirrored):
    a, b = run(mirrored, lambda: distribute.replica_seed(0, tf.constant(3)))
    assert not np.array_equal(a, b)
    again = run(mirrored, lambda: distribute.replica_seed(0, tf.constant(3)))
    np.testing.assert_array_equal([a, b], again)


def test_all_replicas_sum(mirrored):
    values = per_replica(mirrored, [3.0, 4.0])
    assert run(mirrored, distribute.all_replicas_sum, values) == [7.0, 7.0]
    assert float(distribute.all_replicas_sum(tf.constant(3.0))) == 3.0


@pytest.mark.parametrize("shares", [(2, 2), (3, 1)])
def test_global_batch(mirrored, shares):
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    split = per_replica(mirrored, np.split(values, [shares[0]]))
    shapes = []

    def gather(part):
        part = tf.boolean_mask(part, tf.ones(tf.shape(part)[:1], bool))  # of unknown length
        whole, start = distribute.global_batch(part)
        shapes.append(whole.shape.as_list())
        return whole, start

    results = tf.function(lambda: mirrored.run(gather, (split,)))()
    for replica, (whole, start) in enumerate(
        zip(*map(mirrored.experimental_local_results, results), strict=True)
    ):
        np.testing.assert_array_equal(whole, values)
        assert int(start) == [0, shares[0]][replica]
    assert all(shape[1:] == [3] for shape in shapes)
    whole, start = distribute.global_batch(tf.constant(values))
    np.testing.assert_array_equal(whole, values)
    assert int(start) == 0


def test_batch_mean_on_one_replica():
    values = tf.constant([1.0, 2.0, 6.0])
    assert float(distribute.batch_mean(values)) == 3.0
    # As in Keras: the weights weigh, and the division is by the number of examples.
    assert float(distribute.batch_mean(values, [1.0, 1.0, 0.0])) == 1.0
    assert float(distribute.batch_mean(tf.zeros([0]))) == 0.0


@pytest.mark.parametrize("shares", [(2, 2), (3, 1), (4, 0)])
def test_the_shares_of_the_replicas_sum_to_the_mean(mirrored, shares):
    values = np.float32([1.0, 2.0, 6.0, 7.0])
    split = per_replica(mirrored, np.split(values, [shares[0]]))
    assert sum(run(mirrored, distribute.batch_mean, split)) == pytest.approx(4.0)
    weights = per_replica(mirrored, np.split(np.float32([0, 2, 1, 1]), [shares[0]]))
    got = sum(run(mirrored, distribute.batch_mean, split, weights))
    assert got == pytest.approx(17.0 / 4)
