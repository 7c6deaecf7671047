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
from acai_tf.training import adam

FOLDER = pathlib.Path(__file__).parent
SCOPES = {
    "ae_encoder": "encoder",
    "ae_enc": "encoder",
    "ae_decoder": "decoder",
    "ae_dec": "decoder",
    "disc": "critic",
    "single_layer_classifier": "probe",
}
LOGS = {
    "loss": "loss_ae",
    "loss_ae": "loss_ae",
    "rmse": "rmse",
    "classify_latent": "loss_probe",
    "loss_disc": "loss_critic",
    "loss_disc_real": "loss_critic_real",
    "loss_ae_disc": "loss_adversarial",
}
DRAWS = ("uniform",)
# The original's optimisers in the order created -> the players whose losses each one minimised.
OBJECTIVES = {
    "baseline": [("autoencoder", "probe")],
    "acai": [("autoencoder",), ("critic",), ("probe",)],
}


def our_path(original: str) -> str:
    """`ae_enc/conv2d_3/kernel` -> `encoder/conv3/kernel`."""
    scope, layer, kind = original.split("/")
    if layer.startswith("conv2d"):
        layer = "conv" + (layer.removeprefix("conv2d").removeprefix("_") or "0")
    return f"{SCOPES[scope]}/{layer}/{kind}"


class Golden:
    """One model's golden numbers."""

    def __init__(self, name: str):
        self.name = name
        self.arrays = np.load(FOLDER / f"{name}.npz", allow_pickle=False)
        self.settings = json.loads(str(self.arrays["config"]))
        self.x = self.arrays["x"]
        self.label = self.arrays["label"]
        self.draws = {key: self.arrays[key] for key in DRAWS if key in self.arrays}

    def under(self, prefix: str) -> dict[str, np.ndarray]:
        """Our variable path -> the array recorded for it under `prefix`."""
        return {
            our_path(key.removeprefix(prefix)): self.arrays[key]
            for key in self.arrays.files
            if key.startswith(prefix)
        }

    def scalars(self, prefix: str) -> dict[str, float]:
        """Our log name -> the scalar recorded for it under `prefix`."""
        return {
            LOGS[key.removeprefix(prefix)]: float(self.arrays[key])
            for key in self.arrays.files
            if key.startswith(prefix)
        }

    def model(self):
        """Our model with the recorded initial weights, compiled."""
        settings = self.settings
        own = {key: settings[key] for key in ("advweight", "advdepth", "reg") if key in settings}
        config = Config(
            model=self.name,
            depth=settings["depth"],
            latent=settings["latent"],
            latent_width=settings["size"] >> settings["scales"],
            lr=settings["lr"],
            batch=settings["batch"],
            **own,
        )
        shape = (settings["size"], settings["size"], settings["colors"])
        model = build_model(config, shape, classes=10)
        model.compile(optimizer=adam(config))  # the one that train() uses
        model.optimizer.build(model.trainable_variables)
        initial = self.under("init/")
        for variable in model.variables:
            if variable.path in initial:
                variable.assign(initial.pop(variable.path))
        assert not initial, f"no variable of ours is called {sorted(initial)}"
        return model
