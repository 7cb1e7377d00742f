"""Estimators of a linear map whose kernel is random: how the noise enters."""

from __future__ import annotations

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

__all__ = ["Flipout", "LocalReparameterization", "Reparameterization"]


class Reparameterization:
    """One kernel for the whole batch: y = linear(x, W), W ~ q.

    References:
        Kingma, Welling, "Auto-Encoding Variational Bayes", 2014, Section 2.4.
    """

    def estimate(self, inputs, posterior: tfd.Distribution, seed, sign_seed):
        """Returns the outputs and the kernel that was drawn."""
        kernel = self.draw(posterior, self.kernel_posterior_tensor_fn, seed)
        self.remember(kernel_posterior_tensor=kernel)
        return self.map(inputs, kernel), kernel


class LocalReparameterization:
    """The noise of the outputs, drawn for each example: y ~ N(linear(x, μ), linear(x², σ²)).

    References:
        Kingma, Salimans, Welling, "Variational Dropout and the Local Reparameterization Trick",
        2015, Eq. 6.
    """

    def estimate(self, inputs, posterior: tfd.Distribution, seed, sign_seed):
        """Returns the outputs; no kernel is drawn."""
        normal = self.normal_of(posterior)
        inputs = tf.cast(inputs, normal.dtype)
        variance = self.linear(inputs**2, normal.scale**2)
        # The slope of the root at 0 is infinite: an input of zeros would make the gradient NaN.
        scale = tf.sqrt(tf.maximum(variance, 1e-12))
        affine = tfd.Normal(self.linear(inputs, normal.loc), scale)
        outputs = self.draw(affine, self.kernel_posterior_tensor_fn, seed)
        self.remember(kernel_posterior_affine=affine, kernel_posterior_affine_tensor=outputs)
        return tf.cast(outputs, self.compute_dtype), None


class Flipout:
    """One perturbation ΔW, with random signs r, s for each example: y = x μ + ((x ∘ r) ΔW) ∘ s.

    The signs leave the distribution of each output as it is, since ΔW is symmetric about 0, and
    make the outputs of different examples uncorrelated, so that a mean over the batch has a
    lower variance.

    References:
        Wen et al., "Flipout: Efficient Pseudo-Independent Weight Perturbations on Mini-Batches",
        2018, Eq. 4.
    """

    def estimate(self, inputs, posterior: tfd.Distribution, seed, sign_seed):
        """Returns the outputs and a kernel of the posterior, μ + ΔW."""
        normal = self.normal_of(posterior)
        centred = tfd.Independent(
            tfd.Normal(tf.zeros_like(normal.loc), normal.scale),
            reinterpreted_batch_ndims=normal.loc.shape.rank,
        )
        delta = self.draw(centred, self.kernel_posterior_tensor_fn, seed)
        self.remember(
            kernel_posterior_affine=centred.distribution, kernel_posterior_affine_tensor=delta
        )
        outputs = self.map(inputs, normal.loc)
        in_seed, out_seed = tf.unstack(tfp.random.split_seed(sign_seed, n=2))
        inputs = tf.cast(inputs, self.compute_dtype)
        perturbation = self.map(inputs * self._signs(inputs, in_seed), delta)
        return outputs + perturbation * self._signs(outputs, out_seed), normal.loc + delta

    def _signs(self, tensor: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return tfp.random.rademacher(self.sign_shape(tensor), dtype=tensor.dtype, seed=seed)
