"""The variational autoencoder (section 4; Kingma and Welling 2014)."""

import keras
from keras import layers, ops

from acai_tf import losses
from acai_tf.models import sizes
from acai_tf.models.base import Autoencoder


@keras.saving.register_keras_serializable("acai_tf")
class VAE(Autoencoder):
    """max E_q[log p(x | z)] - beta KL(q(z | x) || N(0, I)).

    Two dense layers on the flattened encoder output h give mu and log sigma^2 of q; the decoder
    gives the logits of a Bernoulli over (x + 1) / 2.

    As in the original the probe reads h, not z, and a step decodes a sample of z. The original's
    encode and reconstruct drew a sample too; here they use mu unless they are given an `epsilon`,
    so that codes are the same each time. Evaluations use mu.
    """

    log_names = ("loss_kl", "loss_ll", "elbo", "loss_probe")

    def __init__(self, config, image_shape, classes, **kwargs):
        super().__init__(config, image_shape, classes, **kwargs)
        self.beta = 1.0 if self.config.beta is None else self.config.beta
        self.mu = layers.Dense(self.code_size, name="mu")
        self.log_variance = layers.Dense(self.code_size, name="log_variance")
        for layer in (self.mu, self.log_variance):
            layer.build((None, self.code_size))

    @staticmethod
    def own_weights(config, image_shape):
        return 2 * sizes.dense(config.code_size, config.code_size)

    def players(self):
        players = super().players()
        posterior = self.mu.trainable_variables + self.log_variance.trainable_variables
        return {**players, "autoencoder": players["autoencoder"] + posterior}

    def draws(self, seed, batch):
        return {"epsilon": keras.random.normal((batch, self.code_size), seed=seed)}

    def posterior(self, h):
        """h, the encoder's output [B, w, w, latent] -> mu and log sigma^2 of q(z | x), [B, d]."""
        flat = ops.reshape(h, (-1, self.code_size))
        return self.mu(flat), self.log_variance(flat)

    def sample(self, mu, log_variance, epsilon):
        """z = mu + sigma * epsilon, [B, d] each -> latent maps [B, w, w, latent]."""
        return ops.reshape(mu + ops.exp(0.5 * log_variance) * epsilon, (-1, *self.latent_shape))

    def encode(self, images, epsilon=0.0):
        """mu of q(z | x), or with `epsilon` ~ N(0, I) [B, d] a sample of it, as latent maps."""
        mu, log_variance = self.posterior(super().encode(images))
        return self.sample(mu, log_variance, epsilon)

    def decode(self, latents):
        """The mean of p(x | z), brought from [0, 1] to [-1, 1]."""
        return 2 * ops.sigmoid(super().decode(latents)) - 1

    def classify(self, images):
        return self.probe(super().encode(images))

    def objectives(self, x, label, draws):
        h = self.encoder(x)
        mu, log_variance = self.posterior(h)
        logits = self.decoder(self.sample(mu, log_variance, draws["epsilon"]))
        loss_kl = losses.kl_to_unit_normal(mu=mu, log_variance=log_variance)
        loss_ll = losses.bernoulli_log_likelihood(logits=logits, target=0.5 * (x + 1))
        elbo = loss_ll - self.beta * loss_kl
        loss_probe = self.probe_loss(h, label)
        logs = {"loss_kl": loss_kl, "loss_ll": loss_ll, "elbo": elbo, "loss_probe": loss_probe}
        return {"autoencoder": -elbo, "probe": loss_probe}, logs
