"""The denoising autoencoder (section 4; Vincent et al. 2010)."""

import keras

from acai_tf.models.base import Autoencoder


@keras.saving.register_keras_serializable("acai_tf")
class Denoising(Autoencoder):
    """min ||x - D(E(x + n))||^2, n ~ N(0, noise^2).

    The noise is there in training alone: encode, reconstruct and the probe see the clean x.
    """

    def draws(self, seed, batch):
        return {"noise": keras.random.normal((batch, *self.image_shape), seed=seed)}

    def objectives(self, x, label, draws):
        noisy = x + self.config.noise * draws["noise"]
        x_hat = self.decoder(self.encoder(noisy))
        return self.plain_objectives(x, x_hat, self.encoder(x), label)
