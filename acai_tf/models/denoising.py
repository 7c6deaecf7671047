"""The denoising autoencoder (section 4; Vincent et al. 2010)."""

import keras

from acai_tf import losses
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
        loss_ae = losses.reconstruction(x=x, x_hat=self.decoder(self.encoder(noisy)))
        loss_probe = self.probe_loss(self.encoder(x), label)
        logs = {"loss_ae": loss_ae, "rmse": losses.rmse_255(loss_ae), "loss_probe": loss_probe}
        return {"autoencoder": loss_ae, "probe": loss_probe}, logs
