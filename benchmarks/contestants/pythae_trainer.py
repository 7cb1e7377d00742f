"""pythae: its models and its `TrainingPipeline` as its README uses them, with our networks.

Of the README: the pipeline, an array as training data, two workers that load it. Not of the
README: Adam instead of AdamW and no scheduler, no evaluation data and no checkpoints, as for all
contestants; and a `forward` that binarizes the batch first. pythae takes the logarithm of the
variance, which is made of the same softplus, and probabilities instead of logits.

The loss of its IWAE is the sum of the weighted log weights, whose gradient is that of the bound
and whose value is not: it is left out of the comparison of losses.
"""

from __future__ import annotations

import logging

from benchmarks.networks import LATENT, MIN_SCALE
from benchmarks.turns import Turns


def main() -> None:
    """Takes the turns."""
    turns = Turns()
    import torch
    import torch.nn.functional as F
    from pythae.models import IWAE, VAE, IWAEConfig, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.pipelines import TrainingPipeline
    from pythae.trainers import BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

    from benchmarks.contestants.torch_networks import images_of, make_decoder, make_encoder

    logging.getLogger("pythae").setLevel(logging.ERROR)
    workload = turns.workload
    images = turns.images()
    image = images.shape[1:]

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.network = make_encoder(workload.network, image)

        def forward(self, x):
            mean, raw = self.network(x).chunk(2, dim=-1)
            log_variance = 2 * torch.log(F.softplus(raw) + MIN_SCALE)
            return ModelOutput(embedding=mean, log_covariance=log_variance)

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.network = make_decoder(workload.network, image)

        def forward(self, z):
            return ModelOutput(reconstruction=torch.sigmoid(self.network(z)))

    class Binarized:
        """Binarizes a batch before the model sees it."""

        def forward(self, inputs, **kwargs):
            return super().forward({"data": torch.bernoulli(inputs["data"])}, **kwargs)

    class BinarizedVAE(Binarized, VAE):
        pass

    class BinarizedIWAE(Binarized, IWAE):
        pass

    options = {
        "input_dim": (image[2], *image[:2]),
        "latent_dim": LATENT,
        "reconstruction_loss": "bce",
    }
    if workload.kind == "train" and workload.samples:
        config = IWAEConfig(number_samples=workload.samples, **options)
        model = BinarizedIWAE(config, encoder=Encoder(), decoder=Decoder())
    else:
        model = BinarizedVAE(VAEConfig(**options), encoder=Encoder(), decoder=Decoder())

    if workload.kind == "log_prob":
        x = images_of(255 * (images > 127))

        @torch.no_grad()
        def estimate():
            return -model.get_nll(x, n_samples=workload.samples, batch_size=100)

        with torch.no_grad():
            model.encoder(x[:1])
        turns.ready(["pythae", "torch"])
        turns.take(estimate)

    class Epochs(TrainingCallback):
        def on_epoch_begin(self, training_config, **kwargs):
            turns.begin()

        def on_log(self, training_config, logs, **kwargs):
            # Behind the epoch: it is the one that is given the loss.
            turns.end(logs["train_epoch_loss"])

    training = BaseTrainerConfig(
        output_dir=turns.folder,
        num_epochs=10**6,
        learning_rate=1e-3,
        per_device_train_batch_size=workload.batch,
        train_dataloader_num_workers=2,
        optimizer_cls="Adam",
        optimizer_params={"eps": 1e-7},
    )
    pipeline = TrainingPipeline(model=model, training_config=training)
    turns.ready(["pythae", "torch"])
    pipeline(train_data=images_of(images).numpy(), callbacks=[Epochs()])


if __name__ == "__main__":
    main()
