"""Golden numbers that the original program printed, and how its names map onto ours.

The .npz files hold, for fixed weights, inputs and random draws: `init/`, the
weights; `encode`, `reconstruct`, `decode_h`; `loss/`; `objective/` and `grad/`,
one per optimiser; `step1/` and `step3/`, the weights after 1 and 3 steps.
"""

import json
import pathlib

import numpy as np

from acai_tf.config import Config
from acai_tf.models import build_model
from acai_tf.optimizer import adam
from acai_tf.original import CLASSES, original_name

CLASSES_PROBED = 10
FOLDER = pathlib.Path(__file__).parent
SETTINGS = (
    *("advweight", "advdepth", "reg", "noise", "dropout", "beta"),
    *("adversary_lr", "disc_layer_sizes", "z_log_size", "num_latents"),
)
LOGS = {
    "loss": "loss_ae",
    "loss_ae": "loss_ae",
    "rmse": "rmse",
    "classify_latent": "loss_probe",
    "loss_disc": "loss_critic",
    "loss_disc_real": "loss_critic_real",
    "loss_ae_disc": "loss_adversarial",
    "loss_kl": "loss_kl",
    "loss_ll": "loss_ll",
    "elbo": "elbo",
    "loss_adv_latent": "loss_disc_code",
    "loss_adv_prior": "loss_disc_prior",
    "loss_ae_latent": "loss_adversarial",
    "vqvae_loss": "loss_commitment",
    "adversary_accuracy": "disc_accuracy",
}
DRAWS = ("uniform", "noise", "keep_mask", "epsilon", "prior")
# The original's optimisers in the order created -> the players whose losses each one minimised.
OBJECTIVES = {
    "baseline": [("autoencoder", "probe")],
    "denoising": [("autoencoder", "probe")],
    "dropout": [("autoencoder", "probe")],
    "vae": [("autoencoder",), ("probe",)],
    "vqvae": [("autoencoder", "probe")],
    "aae": [("autoencoder",), ("discriminator",), ("probe",)],
    "acai": [("autoencoder",), ("critic",), ("probe",)],
}


class Golden:
    """One model's golden numbers."""

    def __init__(self, name: str):
        self.name = name
        self.arrays = np.load(FOLDER / f"{name}.npz", allow_pickle=False)
        self.settings = json.loads(str(self.arrays["config"]))
        self.x = self.arrays["x"]
        self.label = self.arrays["label"]
        self.draws = {key: self.arrays[key] for key in DRAWS if key in self.arrays}
        settings = self.settings
        own = {key: settings[key] for key in SETTINGS if key in settings}
        self.config = Config(
            model=self.name,
            depth=settings["depth"],
            latent=settings["latent"],
            latent_width=settings["size"] >> settings["scales"],
            lr=settings["lr"],
            batch=settings["batch"],
            **own,
        )
        self.shape = (settings["size"], settings["size"], settings["colors"])
        self.original = next(c for c in CLASSES.values() if c.model == name)
        built = build_model(self.config, self.shape, CLASSES_PROBED)
        self._paths = {original_name(self.original, v.path): v.path for v in built.weights}

    def under(self, prefix: str) -> dict[str, np.ndarray]:
        """Our variable path -> the array recorded for it under `prefix`."""
        recorded = {
            self._paths[key.removeprefix(prefix)]: self.arrays[key]
            for key in self.arrays.files
            if key.startswith(prefix)
        }
        for path in recorded:
            if path.startswith("codebook/"):  # theirs have axes of one for blocks and residuals
                recorded[path] = recorded[path].squeeze()
        return recorded

    def scalars(self, prefix: str) -> dict[str, float]:
        """Our log name -> the scalar recorded for it under `prefix`."""
        return {
            LOGS[key.removeprefix(prefix)]: float(self.arrays[key])
            for key in self.arrays.files
            if key.startswith(prefix)
        }

    def model(self):
        """Our model with the recorded initial weights, compiled."""
        model = build_model(self.config, self.shape, CLASSES_PROBED)
        model.compile(optimizer=adam(model))  # the one that train() uses
        initial = self.under("init/")
        for variable in model.variables:
            if variable.path in initial:
                variable.assign(initial.pop(variable.path))
        assert not initial, f"no variable of ours is called {sorted(initial)}"
        return model
