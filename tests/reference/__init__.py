"""Golden numbers that the original program printed, and how its names map onto ours.

The .npz files hold, for fixed weights, inputs and random numbers: `init/`, the
weights; `encode`, `reconstruct`, `decode_h`; `loss/`; `objective/` and `grad/`,
one per optimiser; `step1/` and `step3/`, the weights after 1 and 3 steps.
"""

import json
import pathlib

import numpy as np

from acai_tf.config import Config
from acai_tf.models import build_model
from acai_tf.models.noise import StepSeed
from acai_tf.models.optimizer import adam
from acai_tf.original.checkpoint import original_name
from acai_tf.original.folder import CLASSES

CLASSES_PROBED = 10
FOLDER = pathlib.Path(__file__).parent
LOGS = {
    "loss": "loss_ae",
    "loss_ae": "loss_ae",
    "rmse": "rmse",
    "classify_latent": "loss_probe",
    "loss_disc": "loss_critic",
    "loss_disc_real": "loss_critic_real",
    "loss_ae_disc": "loss_adversarial",
    "loss_disc_mix": "loss_critic",
    "loss_ae_disc_mix": "loss_adversarial",
    "loss_disc_noise": "loss_critic_noise",
    "loss_ae_disc_noise": "loss_adversarial_noise",
    "loss_disc_fake": "loss_critic_fake",
    "loss_ae_disc_fake": "loss_adversarial_fake",
    "loss_mmd": "loss_mmd",
    "loss_kl": "loss_kl",
    "loss_ll": "loss_ll",
    "elbo": "elbo",
    "loss_adv_latent": "loss_disc_code",
    "loss_adv_prior": "loss_disc_prior",
    "loss_ae_latent": "loss_disc_adversarial",
    "vqvae_loss": "loss_commitment",
    "adversary_accuracy": "disc_accuracy",
}
# The original's random numbers -> ours.
DRAWS = {
    "uniform_map": "uniform",
    "uniform_prior_map": "uniform_prior",
    **{name: name for name in ("uniform", "noise", "keep_mask", "epsilon", "prior")},
}
# The original's optimisers in the order created -> the players whose losses each one minimised.
OBJECTIVES = {
    "baseline": [("autoencoder", "probe")],
    "denoising": [("autoencoder", "probe")],
    "dropout": [("autoencoder", "probe")],
    "vae": [("autoencoder",), ("probe",)],
    "vqvae": [("autoencoder", "probe")],
    "aae": [("autoencoder",), ("discriminator",), ("probe",)],
    **{
        name: [("autoencoder",), ("critic",), ("probe",)]
        for name in ("acai", "lrae", "miae", "midrae")
    },
}


class Golden:
    """One model's golden numbers."""

    def __init__(self, name: str, **settings):
        self.name = name
        self.arrays = np.load(FOLDER / f"{name}.npz", allow_pickle=False)
        self.settings = json.loads(str(self.arrays["config"]))
        self.x = self.arrays["x"]
        self.label = self.arrays["label"]
        self.draws = {DRAWS[key]: self.arrays[key] for key in DRAWS if key in self.arrays}
        self.original = next(c for c in CLASSES.values() if c.model == name)
        own, settings = settings, self.settings
        self.config = Config(
            **own,
            model=self.name,
            depth=settings["depth"],
            latent=settings["latent"],
            latent_width=settings["size"] >> settings["scales"],
            lr=settings["lr"],
            batch=settings["batch"],
            **{key: settings[key] for key in self.original.settings},
        )
        self.shape = (settings["size"], settings["size"], settings["colors"])
        built = build_model(self.config, self.shape, CLASSES_PROBED)
        needed = built.noise(StepSeed(0, 0), len(self.x))
        self.noise = {
            part: {name: self.draws[name] for name in names if name in self.draws}
            for part, names in needed.items()
        }
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
        model.compile(optimizer=adam(model, model.config.lr))  # the one that train() uses
        initial = self.under("init/")
        for variable in model.variables:
            if variable.path in initial:
                variable.assign(initial.pop(variable.path))
        assert not initial, f"no variable of ours is called {sorted(initial)}"
        return model

    def gradients(self) -> dict[str, np.ndarray]:
        """Our variable path -> the gradient of its player's loss at the initial weights."""
        count = len(OBJECTIVES[self.name])
        return {k: v for index in range(count) for k, v in self.under(f"grad/{index}/").items()}

    def check_weights(self, model, step: int) -> None:
        """The model's weights are the original's after `step` steps, 1 or 3."""
        initial, expected = self.under("init/"), self.under(f"step{step}/")
        gradient = self.gradients()
        got = {v.path: np.asarray(v) for v in model.weights}
        assert set(got) == set(expected)
        for path in expected:
            # By the norm: a single weight whose gradient is next to nothing may differ.
            error = np.linalg.norm(got[path] - expected[path])
            assert error < 1e-4 * np.linalg.norm(expected[path]), f"{path} after {step}"
            # The change as well, so that a step of the wrong size cannot hide behind the size of
            # the weight itself.
            change, wanted = got[path] - initial[path], expected[path] - initial[path]
            far = np.linalg.norm(change - wanted) / np.linalg.norm(wanted)
            assert far < 0.02, f"{path} changed otherwise after {step}: {far:.1e}"
            if step == 1 and path in gradient:
                # One by one, but for gradients next to nothing: Adam's first step is
                # lr g / (|g| + 3e-7), which hangs on g's last bits there.
                sure = np.abs(gradient[path]) > 1e-5
                np.testing.assert_allclose(change[sure], wanted[sure], atol=2e-6, err_msg=path)
