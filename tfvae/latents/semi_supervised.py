"""A class, which may be known, beside z: the structure of semi-supervised models."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distribute import as_seed, fold_in
from tfvae.distributions.batch_axes import repeat
from tfvae.distributions.expected import Expected, ExpectedEach
from tfvae.distributions.moments import mean_of
from tfvae.distributions.types import Latent
from tfvae.errors import UserError
from tfvae.latents.base import ungated
from tfvae.latents.with_class import WithClass

tfd = tfp.distributions

__all__ = ["SemiSupervised"]


@keras.saving.register_keras_serializable(package="tfvae")
class SemiSupervised(WithClass):
    """M2: a class y beside z, p(y) p(z) p(x|y, z), of which y is known for some examples.

    The context is the label, −1 where it is missing, for all examples where there is no context.
    The posterior is q(y|x) q(z|x, y), and the ELBO of a label that is missing is the sum over all
    classes, that of a known one a bound of log p(x, y):

    U(x) = Σ_y q(y|x) [E log p(x|y, z) − KL(q(z|x, y) ‖ p(z))] − KL(q(y|x) ‖ p(y))
    L(x, y) = E log p(x|y, z) + log p(y) − KL(q(z|x, y) ‖ p(z))

    L is U with a q(y|x) that is certain of the label, and −KL(q(y) ‖ p(y)) is then log p(y): one
    formula serves both, with p(y) uniform. The classifier sees labels by −α log q(y|x) alone,
    which is added to the loss of the examples with one. There are two groups, the one-hot y above
    and z; the decoder takes both, side by side. `vae.encode(x)` is q(y|x), `vae.decode((y, z))`
    takes y in one-hot form or as labels, `vae.sample(n, context=label)` draws of a class.

    With K samples (`vae.elbo`, `vae.log_prob`) y is drawn with z. What a training step takes is
    one draw of z for each class.

    Logged beside the ELBO, over the examples with a label: `accuracy` of the classifier and
    `label_loss`, −log q(y|x) in nats; 0 where there are none.

    Args:
        classifier: q(y|x), Keras layer from the encoder's features to a distribution over one-hot
            vectors, such as an `Encoder` with the head `OneHotCategorical(classes)`.
        inference: q(z|x, y), such as an `Encoder` whose conditioner takes vectors: called with the
            features and the one-hot y.
        alpha: α, the weight of the classifier's loss; the paper's is a tenth of the number of
            examples for each that has a label.
        prior: p(z); None: the standard normal.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: If alpha is negative, the prior is made of posteriors, or the objective takes
            several draws of z: the gradient does not pass through a y that is drawn.

    Example:
        >>> model = tfvae.recipes.m2((8, 8, 1), 4, classes=3, hidden=(16,))
        >>> model.compile("adam")
        >>> history = model.fit(x, np.where(y == 2, -1, y), verbose=0)
        >>> model.encode(x).mode().shape
        TensorShape([128, 3])

    References:
        Kingma, Mohamed, Rezende, Welling, "Semi-supervised Learning with Deep Generative Models",
        2014, Eq. 6-9.
    """

    @property
    def code_shape(self) -> tuple[int, ...] | None:
        """Number of classes and of elements of z together."""
        if self.event_shape is None:
            return None
        return (self.classes + self.style_prior.event_shape[0],)

    def prepare(self, encoded, data_shape: Sequence[int], context=None) -> None:
        """Builds the networks for the encoder's features."""
        if not self.built:
            self.build_for(_features(encoded).shape[1:], data_shape)
            self.built = True

    def posterior(self, encoded, context=None) -> tfd.Distribution:
        """q(y|x), certain of a label that is known."""
        return self.class_posterior(_features(encoded), context)[0]

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
        """Draws z for each class; with K samples, y and z."""
        features, seed = _features(encoded), as_seed(seed)
        q, penalty, terms = self.class_posterior(features, context, training)
        y = q.sample(() if samples is None else (samples,), seed=fold_in(seed, 0))
        above = Latent(y, q, self(), penalty=penalty, terms=terms)
        if samples is None:
            z, codes = self.every_class(features, q, fold_in(seed, 1), gate, training)
        else:
            features = repeat(features, tf.shape(y)[:-1])
            z, codes = self.one_class(features, y, fold_in(seed, 1), training)
        return (above, z), codes

    def explained(self, likelihood, latents) -> tfd.Distribution:
        """The mean of log p(x|y, z) over the classes, where there is a code of each."""
        above, z = latents
        if isinstance(z.posterior, ExpectedEach):
            return Expected(likelihood, above.posterior.probs_parameter())
        return likelihood

    def means(self, encoded, context=None) -> tuple[tf.Tensor, ...]:
        """The most probable class in one-hot form, and the mean of z given it."""
        features = _features(encoded)
        y = tf.cast(self.class_posterior(features, context)[0].mode(), tf.float32)
        return y, mean_of(self.inferred(features, y))

    def code(self, z, context=None) -> tf.Tensor:
        """The one-hot class and z side by side; without z it is at the prior's mean.

        Args:
            z: `(y, z)`, or y alone: `[batch, C]` or `[K, batch, C]`, or labels of integers without
                the last axis; and `[batch, D]` or `[K, batch, D]`.
            context: Not looked at: y is the class.

        Returns:
            `[batch, *code_shape]` or `[K, batch, *code_shape]`.
        """
        groups = z if isinstance(z, (tuple, list)) else (z,)
        if len(groups) > 2:
            raise UserError(f"z has {len(groups)} groups: give the class, or the class and z")
        style = tf.convert_to_tensor(groups[1]) if len(groups) == 2 else None
        y = self.one_hot(groups[0], like=style)
        style = self.style_like(y) if style is None else style
        return tf.concat([y, style], axis=-1)

    def generate(self, n: int, *, context=None, seed=None, temperature=1.0) -> tf.Tensor:
        """Draws n classes, but for those that the context says, and z; `temperature` is z's."""
        return self.drawn(n, context, as_seed(seed), temperature)


def _features(encoded) -> tf.Tensor:
    """The features of an encoder of one stage."""
    features = encoded if isinstance(encoded, (tuple, list)) else (encoded,)
    if len(features) != 1 or isinstance(features[0], tfd.Distribution):
        raise UserError(
            "the encoder of a semi-supervised model returns one tensor of features: take "
            "tfvae.networks.BottomUp with one stage, or any Keras model without a head"
        )
    return tf.convert_to_tensor(features[0])
