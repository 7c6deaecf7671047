"""A reference implementation of the training steps in idiomatic PyTorch.

It shares only names with the package: layers are named as our variables are, so that tests can load
the golden weights. Images are [B, C, H, W] in channels-last memory order.
"""

import torch
from torch import nn
from torch.nn import functional as F

from acai_tf.config import poolings


def _convolution(inputs: int, outputs: int, size: int = 3) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, padding=size // 2)


class _Encoder(nn.Module):
    def __init__(self, colors: int, scales: int, depth: int, latent: int):
        super().__init__()
        widths = [depth << scale for scale in range(scales) for _ in range(2)] + [depth << scales]
        self.conv0 = _convolution(colors, depth, 1)
        self.scales, self.last = scales, len(widths) + 1
        for index, (inputs, outputs) in enumerate(
            zip([depth, *widths], [*widths, latent], strict=True)
        ):
            setattr(self, f"conv{index + 1}", _convolution(inputs, outputs))

    def forward(self, x):
        x, index = self.conv0(x), 1
        for _ in range(self.scales):
            for _ in range(2):
                x = F.leaky_relu(getattr(self, f"conv{index}")(x), 0.2)
                index += 1
            x = F.avg_pool2d(x, 2)
        x = F.leaky_relu(getattr(self, f"conv{index}")(x), 0.2)
        return getattr(self, f"conv{index + 1}")(x)


class _Decoder(nn.Module):
    def __init__(self, latent: int, scales: int, depth: int, colors: int):
        super().__init__()
        widths = [depth << scale for scale in reversed(range(scales)) for _ in range(2)] + [depth]
        self.scales = scales
        for index, (inputs, outputs) in enumerate(
            zip([latent, *widths], [*widths, colors], strict=True)
        ):
            setattr(self, f"conv{index}", _convolution(inputs, outputs))

    def forward(self, z):
        index = 0
        for _ in range(self.scales):
            for _ in range(2):
                z = F.leaky_relu(getattr(self, f"conv{index}")(z), 0.2)
                index += 1
            z = F.interpolate(z, scale_factor=2, mode="nearest")
        z = F.leaky_relu(getattr(self, f"conv{index}")(z), 0.2)
        return getattr(self, f"conv{index + 1}")(z)


class _Dense(nn.Module):
    """Layers dense0, dense1, ..."""

    def __init__(self, *widths: int):
        super().__init__()
        self.count = len(widths) - 1
        for index in range(self.count):
            setattr(self, f"dense{index}", nn.Linear(widths[index], widths[index + 1]))

    def forward(self, x):
        for index in range(self.count - 1):
            x = F.leaky_relu(getattr(self, f"dense{index}")(x), 0.2)
        return getattr(self, f"dense{self.count - 1}")(x)


class Reference(nn.Module):
    """One of the seven models, and its training step.

    Args:
        config: its settings, an `acai_tf.Config`.
        image_shape: (height, width, colors).
        classes: number of classes, for the probe.
    """

    def __init__(self, config, image_shape: tuple[int, int, int], classes: int):
        super().__init__()
        self.config, model = config, config.model
        scales = poolings(image_shape, config.latent_width)
        depth, latent = config.depth, config.latent
        self.size = config.latent_width**2 * latent
        self.encoder = _Encoder(image_shape[-1], scales, depth, latent)
        self.decoder = _Decoder(latent, scales, depth, image_shape[-1])
        self.probe = nn.ModuleDict({"dense": nn.Linear(self.size, classes)})
        self.players = {"autoencoder": [self.encoder, self.decoder], "probe": [self.probe]}
        self.losses = getattr(self, f"_{model}")
        if model == "acai":
            self.critic = _Encoder(image_shape[-1], scales, config.advdepth or depth, latent)
            self.players["critic"] = [self.critic]
        if model == "vae":
            self.mu, self.log_variance = (nn.Linear(self.size, self.size) for _ in range(2))
            self.players["autoencoder"] += [self.mu, self.log_variance]
        if model == "aae":
            sizes = config.layer_sizes
            self.discriminator = _Dense(self.size, *sizes, 1)
            self.players["discriminator"] = [self.discriminator]
        if model == "vqvae":
            wide = self.size * config.num_latents
            self.project, self.hidden = nn.Linear(self.size, wide), nn.Linear(wide, 512)
            self.restore = nn.Linear(512, self.size)
            self.players["autoencoder"] += [self.project, self.hidden, self.restore]
            codes = 2**config.z_log_size
            means = (torch.rand(codes, self.size) * 2 - 1) * (3 / codes) ** 0.5
            self.register_buffer("means", means)
            self.register_buffer("ema_count", torch.zeros(codes))
            self.register_buffer("ema_sums", means.clone())
        self.to(memory_format=torch.channels_last)
        if torch.cuda.is_available():
            self.cuda()
        self.parameters_of = {
            player: [parameter for part in parts for parameter in part.parameters()]
            for player, parts in self.players.items()
        }
        rates = {"discriminator": config.adversary_lr}
        self.optimizers = [
            torch.optim.Adam(own, rates.get(player, config.lr), eps=1e-8, fused=True)
            for player, own in self.parameters_of.items()
        ]

    def gradients(self, x, label, noise: dict) -> dict:
        """Player -> the gradients of its loss, all at the current weights."""
        losses = self.losses(x, label, noise)
        last = list(self.parameters_of)[-1]
        return {
            player: torch.autograd.grad(losses[player], own, retain_graph=player != last)
            for player, own in self.parameters_of.items()
        }

    def step(self, images, label):
        """One update of all players; images [B, H, W, C] uint8."""
        x = images.permute(0, 3, 1, 2).float() * (2 / 255) - 1
        gradients = self.gradients(x, label, self.noise(len(x), x))
        for player, optimizer in zip(self.parameters_of, self.optimizers, strict=True):
            for parameter, gradient in zip(
                self.parameters_of[player], gradients[player], strict=True
            ):
                parameter.grad = gradient
            optimizer.step()

    def noise(self, batch: int, x) -> dict:
        """The random numbers of a step, in our shapes, channels second."""
        new = x.new_empty
        width, latent = self.config.latent_width, self.config.latent
        return {
            "acai": lambda: {"uniform": new(batch, 1, 1, 1).uniform_()},
            "denoising": lambda: {"noise": torch.randn_like(x)},
            "dropout": lambda: {
                "keep_mask": new(batch, latent, width, width).bernoulli_(self.config.dropout)
            },
            "vae": lambda: {"epsilon": new(batch, self.size).normal_()},
            "aae": lambda: {"prior": new(batch, latent, width, width).normal_()},
        }.get(self.config.model, dict)()

    @staticmethod
    def flat(z):
        """[B, C, w, w] -> [B, d] in the order of [B, w, w, C]."""
        return z.permute(0, 2, 3, 1).flatten(1)

    def unflat(self, z):
        width = self.config.latent_width
        return z.view(-1, width, width, self.config.latent).permute(0, 3, 1, 2)

    def _plain(self, x, x_hat, z, label):
        return {
            "autoencoder": F.mse_loss(x_hat, x),
            "probe": F.cross_entropy(self.probe["dense"](self.flat(z.detach())), label),
        }

    def _baseline(self, x, label, noise):
        z = self.encoder(x)
        return self._plain(x, self.decoder(z), z, label)

    def _denoising(self, x, label, noise):
        noisy = x + self.config.noise * noise["noise"]
        x_hat = self.decoder(self.encoder(noisy))
        with torch.no_grad():
            z = self.encoder(x)
        return self._plain(x, x_hat, z, label)

    def _dropout(self, x, label, noise):
        z = self.encoder(x)
        return self._plain(x, self.decoder(z * noise["keep_mask"] / self.config.dropout), z, label)

    def _acai(self, x, label, noise):
        z = self.encoder(x)
        x_hat = self.decoder(z)
        alpha = 0.5 - (noise["uniform"] - 0.5).abs()
        x_mix = self.decoder(alpha * z + (1 - alpha) * z.flip(0))
        estimate = self.critic(x_mix).mean((1, 2, 3))
        real = self.critic((x_hat + self.config.reg * (x - x_hat)).detach()).mean((1, 2, 3))
        losses = self._plain(x, x_hat, z, label)
        losses["autoencoder"] = (
            losses["autoencoder"] + self.config.advweight * estimate.square().mean()
        )
        losses["critic"] = (estimate - alpha.flatten()).square().mean() + real.square().mean()
        return losses

    def _vae(self, x, label, noise):
        h = self.encoder(x)
        mu, log_variance = self.mu(self.flat(h)), self.log_variance(self.flat(h))
        logits = self.decoder(self.unflat(mu + (0.5 * log_variance).exp() * noise["epsilon"]))
        target = 0.5 * (x + 1)
        reconstruction = F.binary_cross_entropy_with_logits(logits, target, reduction="sum") / len(
            x
        )
        kl = 0.5 * (log_variance.exp() + mu.square() - 1 - log_variance).sum() / len(x)
        beta = 1.0 if self.config.beta is None else self.config.beta
        return self._plain(x, logits, h, label) | {"autoencoder": reconstruction + beta * kl}

    def _aae(self, x, label, noise):
        z = self.encoder(x)
        on_code = self.discriminator(self.flat(z))
        on_prior = self.discriminator(self.flat(noise["prior"]))
        one, zero = torch.ones_like(on_code), torch.zeros_like(on_code)
        bce = F.binary_cross_entropy_with_logits
        losses = self._plain(x, self.decoder(z), z, label)
        losses["autoencoder"] = losses["autoencoder"] + bce(on_code, one)
        losses["discriminator"] = bce(on_code, zero) + bce(on_prior, one)
        return losses

    def _vqvae(self, x, label, noise):
        v = self.project(self.flat(self.encoder(x)))
        vectors = v.view(-1, self.size)
        with torch.no_grad():
            squares = self.means.square().sum(1)
            index = (squares - 2 * vectors @ self.means.T).argmin(1)
            codes = self.means[index]
            used = torch.bincount(index, minlength=len(self.means)).float()
            self.ema_count.lerp_(used, 0.001)
            sums = torch.zeros_like(self.means).index_add_(0, index, vectors)
            self.ema_sums.lerp_(sums, 0.001)
            total = self.ema_count.sum()
            count = (self.ema_count + 1e-5) / (total + len(self.means) * 1e-5) * total
            self.means.copy_(self.ema_sums / count[:, None])
        through = v + (codes.view_as(v) - v).detach()
        z = self.unflat(self.restore(self.hidden(through.relu()).relu()))
        beta = 10.0 if self.config.beta is None else self.config.beta
        losses = self._plain(x, self.decoder(z), z, label)
        commitment = F.mse_loss(vectors, codes)
        losses["autoencoder"] = losses["autoencoder"] + beta * commitment
        return losses
