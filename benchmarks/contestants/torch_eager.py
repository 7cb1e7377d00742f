"""Plain PyTorch as its users write it: modules, a `DataLoader` over a `TensorDataset`, eager.

Chosen: float32 images in memory, `shuffle=True`, no worker processes (the default), binarization
by `torch.bernoulli` in the loop, `torch.optim.Adam`, `loss.item()` at each step for the epoch's
mean, PyTorch's own number of threads. No `torch.compile`.
"""

from __future__ import annotations

import math

from benchmarks.networks import MIN_SCALE
from benchmarks.turns import Turns


def main() -> None:
    """Takes the turns."""
    turns = Turns()
    import torch
    import torch.nn.functional as F
    from torch.utils.data import DataLoader, TensorDataset

    from benchmarks.contestants.torch_networks import images_of, make_decoder, make_encoder

    torch.manual_seed(0)
    workload = turns.workload
    samples = workload.samples or 1
    images = turns.images()
    image = images.shape[1:]
    encoder = make_encoder(workload.network, image)
    decoder = make_decoder(workload.network, image)

    def posterior(x):
        mean, raw = encoder(x).chunk(2, dim=-1)
        return mean, F.softplus(raw) + MIN_SCALE

    def distortion(x, z):
        logits = decoder(z)
        x = x.expand_as(logits)
        cross = F.binary_cross_entropy_with_logits(logits, x, reduction="none")
        return cross.flatten(-3).sum(-1)

    def log_weights(x, samples):
        """Log p(x, z) / q(z|x), `[samples, batch]`."""
        mean, scale = posterior(x)
        noise = torch.randn(samples, *mean.shape)
        z = mean + scale * noise
        return (0.5 * (noise**2 - z**2) + scale.log()).sum(-1) - distortion(x, z)

    def bound(x):
        return log_weights(x, samples).logsumexp(0) - math.log(samples)

    def negative_elbo(x):
        mean, scale = posterior(x)
        z = mean + scale * torch.randn_like(mean)
        rate = 0.5 * (mean**2 + scale**2 - 1 - 2 * scale.log()).sum(-1)
        return distortion(x, z) + rate

    if workload.kind == "log_prob":
        x = images_of(255 * (images > 127))

        @torch.no_grad()
        def estimate():
            # One image after the other, with all its samples.
            return -sum(bound(x[i : i + 1]).item() for i in range(len(x))) / len(x)

        with torch.no_grad():
            posterior(x[:1])
        turns.ready(["torch"])
        turns.take(estimate)

    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 1e-3, eps=1e-7)
    loader = DataLoader(TensorDataset(images_of(images)), workload.batch, shuffle=True)

    def epoch():
        total = 0.0
        for (x,) in loader:
            x = torch.bernoulli(x)
            loss = (-bound(x) if samples > 1 else negative_elbo(x)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        return total / len(loader)

    turns.ready(["torch"])
    turns.take(epoch)


if __name__ == "__main__":
    main()
