"""A class and its style above the z of a VAE: M1 and M2, one on the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distribute import as_seed, fold_in
from tfvae.distributions.batch_axes import Unfolded, fold, repeat
from tfvae.distributions.coercible import concrete, returned
from tfvae.distributions.expected import Expected
from tfvae.distributions.moments import mean_of
from tfvae.distributions.types import Latent
from tfvae.errors import UserError
from tfvae.latents.base import ungated
from tfvae.latents.with_class import WithClass
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.priors.base import Prior
from tfvae.priors.temperature import tempered

tfd = tfp.distributions

__all__ = ["StackedSemiSupervised"]


@keras.saving.register_keras_serializable(package="tfvae")
class StackedSemiSupervised(WithClass):
    """M1+M2 in one model: p(y) p(z_2) p(z_1|y, z_2) p(x|z_1), y known for some examples.

    The encoder gives q(z_1|x), as that of a VAE (M1) does; classifier and style are those of
    `SemiSupervised` (M2), of z_1 in place of x. The ELBO of a label that is missing is

    E_q(z_1|x) [log p(x|z_1) − log q(z_1|x) + Σ_y q(y|z_1) E log p(z_1|y, z_2)
    − Σ_y q(y|z_1) KL(q(z_2|z_1, y) ‖ p(z_2)) − KL(q(y|z_1) ‖ p(y))],

    and of a known one the same with a q(y) that is certain of it, a bound of log p(x, y). All of it
    is trained at once; where encoder and decoder are those of a trained VAE and not trainable, M2
    is trained on the codes of that M1, as the paper does it.

    The groups are (y, z_2, z_1), from the top down; the decoder takes z_1. `vae.encode(x)` is q(y)
    at the mean of z_1. Context, samples and what is logged are as in `SemiSupervised`.

    Args:
        classifier: q(y|z_1), Keras layer to a distribution over one-hot vectors.
        inference: q(z_2|z_1, y), called with z_1 and the one-hot y as `context`.
        generation: p(z_1|y, z_2), from y and z_2 side by side to a distribution.
        alpha: Weight of −log q(y|z_1) in the loss of the examples with a label.
        prior: p(z_2); None: the standard normal.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: As `SemiSupervised`.

    Example:
        >>> model = tfvae.recipes.m1_m2((8, 8, 1), 4, classes=3, hidden=(16,))
        >>> type(model.latents).__name__
        'StackedSemiSupervised'

    References:
        Kingma, Mohamed, Rezende, Welling, "Semi-supervised Learning with Deep Generative Models",
        2014, Section 2 (stacked generative semi-supervised model).
    """

    def __init__(
        self,
        classifier: keras.layers.Layer,
        inference: keras.layers.Layer,
        generation: keras.layers.Layer,
        *,
        alpha: float = 50.0,
        prior: Prior | None = None,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(classifier, inference, alpha=alpha, prior=prior, **kwargs)
        if not isinstance(generation, keras.layers.Layer):
            raise UserError(f"generation takes a Keras layer, got {generation!r}")
        self.generation = generation
        self._code_shape: tuple[int, ...] | None = None

    @property
    def code_shape(self) -> tuple[int, ...] | None:
        """Shape of z_1."""
        return self._code_shape

    def prepare(self, encoded, data_shape: Sequence[int], context=None) -> None:
        """Builds the networks for z_1."""
        if self.built:
            return
        event = tuple(returned("encoder", encoded).event_shape)
        self.build_for(event, data_shape)
        with tf.init_scope():
            size = self.classes + self.style_prior.event_shape[0]
            made = tuple(self.generated(tf.zeros([1, size])).event_shape)
        if made != event:
            raise UserError(
                f"the encoder's z has the shape {event}, and that of the generating network "
                f"{made}: give both the same one"
            )
        self._code_shape = event
        self.built = True

    def generated(self, code: tf.Tensor, training: bool = False) -> tfd.Distribution:
        """p(z_1|y, z_2), of y and z_2 side by side, `[n, C + D]`."""
        return concrete(returned("generating network", self.generation(code, training=training)))

    def posterior(self, encoded, context=None) -> tfd.Distribution:
        """q(y|z_1) at the mean of z_1, certain of a label that is known."""
        return self.class_posterior(mean_of(encoded), context)[0]

    def infer(
        self,
        encoded,
        *,
        context=None,
        samples: int | None = None,
        seed=None,
        gate: Callable = ungated,
        training: bool = False,
    ) -> tuple[tuple[Latent, ...], tf.Tensor]:
        """Draws z_1, and z_2 for each class; with K samples, y and z_2."""
        seed = as_seed(seed)
        z, weights = gate(
            encoded.sample(() if samples is None else (samples,), seed=fold_in(seed, 0))
        )
        rank = len(self._code_shape)
        batch = tf.shape(z)[: z.shape.rank - rank]
        features = fold(z, rank)
        if samples is None:
            q, penalty, terms = self.class_posterior(features, context, training)
            y = q.sample(seed=fold_in(seed, 1))
            style, codes = self.every_class(features, q, fold_in(seed, 2), gate, training)
            above = Latent(y, q, self(), penalty=penalty, terms=terms)
            each = Unfolded(self.generated(fold(codes, 1), training), tf.shape(codes)[:-1])
            prior = Expected(each, q.probs_parameter())
        else:
            labels = None if context is None else repeat(tf.convert_to_tensor(context), batch)
            q = Unfolded(self.class_posterior(features, labels, training)[0], batch)
            y = q.sample(seed=fold_in(seed, 1))
            style, codes = self.one_class(features, y, fold_in(seed, 2), training)
            above = Latent(y, q, self())
            prior = Unfolded(self.generated(fold(codes, 1), training), batch)
        # The KL of z_1 has no closed form: y and z_2, which its prior is given, follow from z_1.
        return (above, style, Latent(z, encoded, prior, gradient_weights=weights)), z

    def means(self, encoded, context=None) -> tuple[tf.Tensor, ...]:
        """The most probable class in one-hot form, and the means of z_2 and of z_1."""
        z = mean_of(encoded)
        y = tf.cast(self.class_posterior(z, context)[0].mode(), tf.float32)
        return y, mean_of(self.inferred(z, y)), z

    def code(self, z, context=None) -> tf.Tensor:
        """The z_1 of the groups from the top down; those left out are at their means.

        Args:
            z: `(y, z_2, z_1)`, `(y, z_2)`, or y alone, in one-hot form or as labels of integers;
                `[batch, ...]` or `[K, batch, ...]` each.
            context: Not looked at: y is the class.

        Returns:
            `[batch, *code_shape]` or `[K, batch, *code_shape]`.
        """
        groups = z if isinstance(z, (tuple, list)) else (z,)
        if len(groups) > 3:
            raise UserError(f"z has {len(groups)} groups: give 1 to 3, the class first")
        if len(groups) == 3:
            return tf.convert_to_tensor(groups[2])
        style = tf.convert_to_tensor(groups[1]) if len(groups) == 2 else None
        y = self.one_hot(groups[0], like=style)
        style = self.style_like(y) if style is None else style
        above = tf.concat([y, style], axis=-1)
        batch = tf.shape(above)[:-1]
        return mean_of(Unfolded(self.generated(fold(above, 1)), batch))

    def generate(self, n: int, *, context=None, seed=None, temperature=1.0) -> tf.Tensor:
        """Draws n classes, but for those that the context says, z_2, and z_1."""
        seed = as_seed(seed)
        above = self.drawn(n, context, fold_in(seed, 0), temperature)
        return tempered(self.generated(above), temperature).sample(seed=fold_in(seed, 1))

    def get_config(self) -> dict:
        """Configuration for saving."""
        generation = keras.saving.serialize_keras_object(self.generation)
        return {**super().get_config(), "generation": generation}
