"""The settings of a run: their only schema and their only defaults.

The flags are generated from it (`acai_tf.flags`), and a run folder keeps it as config.json.
"""

import dataclasses
import functools
import math
import numbers
import re
import reprlib
import typing
from dataclasses import dataclass, field

from acai_tf.errors import UsageError

KIMG = 1024  # images; the original counts 1 kimg as 1,024 images

# Defaults by (dataset, model), as published where the paper has the dataset; "" is any, and later
# lines win.
DEFAULTS = {
    ("", ""): {"depth": 64, "latent": 16, "latent_width": 4, "total_kimg": 1 << 14, "dropout": 0.5},
    ("lines", ""): {"depth": 16, "latent_width": 2},
    ("lines", "vqvae"): {"latent_width": 4},  # the original's VQ-VAE alone has a wider latent map
    ("pulses", ""): {"depth": 16, "total_kimg": 256},
    ("tones", ""): {"depth": 16, "total_kimg": 256},
    ("carousel", ""): {"depth": 16, "total_kimg": 256},
    ("carousels", ""): {"depth": 16, "latent_width": 8, "total_kimg": 256},
    ("names", ""): {"depth": 32, "latent_width": 8, "total_kimg": 1024},
    ("text", ""): {"depth": 32, "latent_width": 8, "total_kimg": 1024},
    ("digits", ""): {"depth": 16, "latent": 2, "total_kimg": 1024},  # 730 epochs
    ("mnist", ""): {"depth": 16, "latent": 2},
    ("cifar10", "dropout"): {"dropout": 0.75},
}


def _setting(
    group, default, help, low=-math.inf, high=math.inf, choices=(), pattern="", datasets=()
):
    """A field: its heading in --help, default (None: see DEFAULTS), help, range of a number, words
    or pattern of a text, and the datasets that read it (none: all)."""
    return field(default=default, metadata=locals())


_subject = functools.partial(_setting, "what to train")
_training = functools.partial(_setting, "training")
_networks = functools.partial(_setting, "networks")
_execution = functools.partial(_setting, "where and how to run it")  # changes no results
_specific = functools.partial(_setting, "settings of some models only")  # acai_tf.models.MODELS
# Datasets whose codes have one side, besides their channels.
SEQUENCES = ("pulses", "tones", "carousel", "carousels", "names", "text")
TEXT = ("names", "text")
_RESIZED = ("digits", "mnist", "svhn", "cifar10", "celeba", "tfds", "folder")


@dataclass(frozen=True)
class Config:
    """Settings of one training run, named as in the original program where it has them.

    A setting that is None or not given gets its default for the dataset and the model.

    Raises:
        UsageError: a value of the wrong type or outside its range.
    """

    model: str = _subject(
        "acai", "baseline, denoising, dropout, vae, aae, vqvae, acai, lrae, miae or midrae"
    )
    dataset: str = _subject(
        "lines",
        "lines, pulses, tones, carousel, carousels, names, digits, mnist, svhn, cifar10, celeba,"
        " folder:PATH, text:FILE, npz:FILE or tfds:NAME",
    )
    image_size: int = _subject(32, "resize images to this size", 16, 256, datasets=_RESIZED)
    background: str = _subject(
        "white", "color behind transparent images: a name or #rrggbb", datasets=("tfds", "folder")
    )
    scale_signals: str = _subject(
        "minmax",
        "scale signals by minmax (to [-1, 1]), standard (mean 0, deviation 1) or none",
        choices=("minmax", "standard", "none"),
        datasets=("npz", "arrays"),
    )
    tokens: str = _subject(
        "characters",
        "split sentences into characters or words",
        choices=("characters", "words"),
        datasets=TEXT,
    )
    length: int = _subject(
        32, "characters or words of a sentence; longer ones are cut", 1, 4096, datasets=TEXT
    )
    svhn_extra: bool = _subject(True, "SVHN: use the extra training images", datasets=("svhn",))
    init: str = _subject("", "start from the weights of a run, an export or a pretrained model")
    original: str = _subject("", "resume this run folder of the original TensorFlow 1 program")
    seed: int = _subject(0, "seed of weights, data order and noise", 0, 2**32 - 1)

    # Published: 2**14 kimg = 16,777,216 images. JAX counts steps in 32 bits: 2**31 at most.
    total_kimg: int = _training(None, "length of training, in units of 1,024 images", 1, 2**20)
    report_kimg: int = _training(64, "report, evaluate and checkpoint this often", 1, 2**20)
    batch: int = _training(64, "images per step, over all devices", 1, 2**16)
    lr: float = _training(1e-4, "learning rate of Adam", 0)
    probe_lr: float | None = _training(None, "learning rate of the probe (--lr)", 0)
    schedule: str = _training(
        "constant",
        "learning rates over the run: constant, cosine (falls to 0) or trapezoid (constant,"
        " then falls linearly to 0)",
        choices=("constant", "cosine", "trapezoid"),
    )
    warmup_kimg: float = _training(0.0, "kimg over which learning rates rise from 0", 0)
    cooldown: float = _training(
        0.2, "trapezoid: share of the run over which learning rates fall", 0, 1
    )
    ema_kimg: float = _training(
        0.0, "use averaged weights: half-life in kimg of a moving average; 0: none", 0
    )
    dtype_policy: str = _training(
        "float32",
        "float32, or mixed_bfloat16: compute in bfloat16, keep weights and losses in float32",
        choices=("float32", "mixed_bfloat16"),
    )

    # The code size is d = latent * latent_width**2; of signals and text, d = latent * latent_width.
    depth: int = _networks(None, "channels of the first convolution", 1, 2**12)
    latent: int = _networks(None, "channels of the latent map", 1, 2**16)
    latent_width: int = _networks(
        None, "height and width of the latent map; of signals and text, its length", 1, 2**12
    )
    networks: str = _networks("paper", "encoder and decoder: paper, residual, large or recurrent")
    initializer: str = _networks(
        "published",
        "of the paper's networks: published, or he (twice the variance)",
        choices=("published", "he"),
    )
    regularizers: str = _networks("", "regularizers to add to the model's: NAME(KEY=VALUE), ...")
    corruption: str = _networks(
        "", "of the encoder's input: gaussian_noise, dropped_pixels, blur or occlusion"
    )

    run_dir: str = _execution("", "run folder; empty: runs/DATASET/MODEL-dSIZE-seedSEED")
    data_dir: str = _execution("", "where tfds keeps its data; empty: tfds' own default")
    cache_dir: str = _execution("", "where decoded images are kept; empty: ~/.cache/acai_tf")
    strategy: str = _execution(
        "auto",
        "devices: default (one), mirrored (all GPUs), multiworker (TF_CONFIG) or auto",
        choices=("auto", "default", "mirrored", "multiworker"),
    )
    logical_devices: int = _execution(0, "split the CPU, to try --strategy=mirrored", 0, 64)
    xla: str = _execution(
        "auto", "compile with XLA: true, false or auto (on GPUs)", choices=("auto", "true", "false")
    )
    fused: bool = _execution(True, "use fused operations that need less arithmetic")
    steps_per_execution: str = _execution(
        "auto",
        "training steps per call from Python: a number, or auto (1 on CPU, otherwise up to 32)",
        pattern=r"auto|[1-9]\d{0,4}",
    )
    on_nonfinite: str = _execution(
        "stop",
        "if a loss is not finite: stop, or rollback (to the last checkpoint, then other batches)",
        choices=("stop", "rollback"),
    )
    export: bool = _execution(True, "export the finished model as a SavedModel (TensorFlow only)")

    advweight: float = _specific(0.5, "critic: weight lambda of the adversarial loss", 0)
    advdepth: int = _specific(0, "ACAI: --depth of the critic; 0: as the encoder's", 0, 2**12)
    reg: float = _specific(0.2, "critic: gamma, how much of x is in its real images", 0)
    critic_lr: float | None = _specific(None, "critic: its learning rate (--lr)", 0)
    wgt_mmd: float = _specific(1.0, "LR-AE, MIDR-AE: weight of the codes' MMD from the prior", 0)
    advnoise: float = _specific(0.1, "MIDR-AE: weight of mixes of codes and prior samples", 0)
    advfake: float = _specific(0.1, "MIDR-AE: weight of decoded prior samples", 0)
    noise: float = _specific(1.0, "denoising: standard deviation of the input noise", 0)
    dropout: float = _specific(None, "dropout: probability to KEEP a latent value", 0.01, 1)
    beta: float | None = _specific(
        None, "VAE: weight of the KL term (1); VQ-VAE: weight of the commitment loss (10)", 0
    )
    adversary_lr: float = _specific(1e-4, "AAE: learning rate of the discriminator", 0)
    disc_layer_sizes: str = _specific(
        "100,100",
        "AAE: layer sizes such as 100,100 of the discriminator",
        pattern=r"\s*[1-9]\d{0,4}\s*(,\s*[1-9]\d{0,4}\s*){0,15}",
    )
    z_log_size: int = _specific(14, "VQ-VAE: log2 of the codebook size", 1, 24)
    num_latents: int = _specific(10, "VQ-VAE: codes per image", 1, 2**12)
    zero_debias: bool = _specific(False, "VQ-VAE: correct the bias of the first moving averages")

    def __post_init__(self):
        for setting in dataclasses.fields(self):
            value = getattr(self, setting.name)
            if value is not None or setting.default is not None:
                # It is frozen for everyone else.
                object.__setattr__(self, setting.name, _checked(setting, value))
        for name, value in defaults(self.dataset, self.model).items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        _ = self.background_rgb

    @property
    def steps_per_report(self) -> int:
        """Steps of one report period; raises UsageError if the batch does not divide it."""
        images = self.report_kimg * KIMG
        if images % self.batch:
            divisors = [n for n in range(1, 2**16 + 1) if not images % n]
            near = sorted(sorted(divisors, key=lambda n: abs(n - self.batch))[:2])
            raise UsageError(
                f"--batch={self.batch} does not divide the {images} images of a report period"
                f" (--report_kimg={self.report_kimg}); use {' or '.join(map(str, near))}"
            )
        return images // self.batch

    @property
    def reports(self) -> int:
        """Report periods of the run; raises UsageError if its length is not a multiple of them."""
        reports, rest = divmod(self.total_kimg, self.report_kimg)
        if rest:
            raise UsageError(
                f"--total_kimg={self.total_kimg} is not a multiple of"
                f" --report_kimg={self.report_kimg}; use"
                f" --total_kimg={(reports + 1) * self.report_kimg} or"
                f" --report_kimg={math.gcd(self.total_kimg, self.report_kimg)}"
            )
        return reports

    @property
    def steps(self) -> int:
        """Steps of the run; raises UsageError as `reports` and `steps_per_report`."""
        return self.reports * self.steps_per_report

    @property
    def warmup_steps(self) -> int:
        """Steps over which learning rates rise from 0."""
        return round(self.warmup_kimg * KIMG / self.batch)

    @property
    def cooldown_begins(self) -> int:
        """The step from which a trapezoid's learning rates fall; of others, the end of the run.

        Up to there a run does not depend on its length, unless its schedule is cosine.
        """
        share = self.cooldown if self.schedule == "trapezoid" else 0
        return self.steps - round(share * self.steps)

    def check_length(self) -> None:
        """Raise UsageError if the run's length, reports, batch and schedule do not fit together."""
        if self.cooldown != Config.cooldown and self.schedule != "trapezoid":
            raise UsageError(f"--cooldown needs --schedule=trapezoid, not {self.schedule}")
        if self.warmup_steps > self.cooldown_begins:
            cooldown = f" with --cooldown={self.cooldown:g}" * (self.schedule == "trapezoid")
            raise UsageError(
                f"--warmup_kimg={self.warmup_kimg:g}{cooldown} does not fit into"
                f" --total_kimg={self.total_kimg}"
            )

    @property
    def background_rgb(self) -> tuple[int, int, int]:
        """--background as (red, green, blue), 0..255."""
        from PIL import ImageColor  # --help does not need it

        try:
            red, green, blue = bytes(ImageColor.getrgb(self.background))
        except ValueError:  # unknown, with an alpha channel, or rgb(0, 0, 400)
            raise UsageError(
                f"bad value --background={self.background!r}: a color's name or #rrggbb"
            ) from None
        return red, green, blue

    @property
    def code_size(self) -> int:
        """The paper's d: the number of values in a code."""
        sequence = self.dataset.partition(":")[0] in SEQUENCES
        return self.latent * self.latent_width ** (1 if sequence else 2)

    @property
    def layer_sizes(self) -> list[int]:
        """--disc_layer_sizes as numbers."""
        return [int(size) for size in self.disc_layer_sizes.split(",")]

    def steps_at_once(self, default: int) -> int:
        """--steps_per_execution as a number; `default` is the meaning of auto."""
        return default if self.steps_per_execution == "auto" else int(self.steps_per_execution)

    def to_dict(self) -> dict:
        """The settings by name; JSON can hold it."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "Config":
        """The Config that `to_dict` saved; settings that are missing get their defaults.

        Raises:
            UsageError: an unknown setting or a bad value.
        """
        if not isinstance(values, dict):
            raise UsageError(f"a configuration is a dictionary, got {reprlib.repr(values)}")
        if unknown := set(values) - set(setting_kinds()):
            raise UsageError(f"unknown settings in the configuration: {', '.join(sorted(unknown))}")
        return cls(**values)


def poolings(image_shape: tuple[int, ...], latent_width: int) -> int:
    """Number of 2x poolings from an image to a latent map whose shorter side is `latent_width`.

    Args:
        image_shape: (height, width, ...), or the (length,) of a signal.
        latent_width: as in `Config`.

    Raises:
        UsageError: there is no such number.
    """
    short, common = min(image_shape[:2]), math.gcd(*image_shape[:2])
    what = "length" if len(image_shape) == 1 else "image width"
    widths = [short >> n for n in range(common.bit_length()) if not common % (1 << n)]
    if latent_width not in widths:
        raise UsageError(
            f"--latent_width={latent_width} does not divide the {what} {short}"
            f" by a power of two; use one of {', '.join(map(str, widths))}"
        )
    return widths.index(latent_width)


def _names(setting: functools.partial) -> frozenset[str]:
    group = setting.args[0]
    return frozenset(f.name for f in dataclasses.fields(Config) if f.metadata["group"] == group)


EXECUTION_SETTINGS = _names(_execution)


def specific_settings() -> frozenset[str]:
    """Names of the settings that only some models read."""
    return _names(_specific)


def settings_unread_by(dataset: str) -> set[str]:
    """Names of the settings that a dataset, or a source such as folder, does not read."""
    return {
        f.name
        for f in dataclasses.fields(Config)
        if f.metadata["datasets"] and dataset not in f.metadata["datasets"]
    }


def without_paths(settings: dict) -> dict:
    """Saved settings without the paths of the machine that they come from."""
    return {**settings, "run_dir": "", "data_dir": "", "cache_dir": ""}


def defaults(dataset: str, model: str) -> dict:
    """The defaults that depend on the dataset and the model."""
    dataset = dataset.partition(":")[0].removesuffix("32")  # in the original's names: mnist32
    found = {}
    for (on, of), settings in DEFAULTS.items():
        if on in ("", dataset) and of in ("", model):
            found |= settings
    return found


def changed_settings(config: Config) -> set[str]:
    """Names of the settings whose value is not the default for their dataset and model."""
    plain = {f.name: f.default for f in dataclasses.fields(config)}
    plain |= defaults(config.dataset, config.model)
    return {name for name, value in plain.items() if getattr(config, name) != value}


def configured(config: Config | None, settings: dict) -> Config:
    """`config` with some settings changed; without `config`, the defaults with them changed."""
    return Config(**settings) if config is None else dataclasses.replace(config, **settings)


@functools.cache
def setting_kinds() -> dict[str, type]:
    """Each setting's name and its type, without None."""
    return {f.name: (typing.get_args(f.type) or [f.type])[0] for f in dataclasses.fields(Config)}


_KINDS = {
    int: (numbers.Integral, "a whole number"),
    float: (numbers.Real, "a number"),
    bool: (bool, "true or false"),
    str: (str, "text"),
}


def limits(setting: dataclasses.Field) -> str:
    """The range of a number, for help and messages: "1 to 4096"; "" for others."""
    low, high = setting.metadata["low"], setting.metadata["high"]
    if math.isinf(low):
        return ""
    return f"at least {low}" if math.isinf(high) else f"{low} to {high}"


def _checked(setting: dataclasses.Field, value):
    """The value as a plain Python one, which JSON can hold; raises UsageError if it is bad."""
    of, kind = setting.metadata, setting_kinds()[setting.name]
    if setting.name in ("xla", "steps_per_execution") and isinstance(value, int):
        value = str(value).lower()  # as in Python: True, 4
    accepted, words = _KINDS[kind]
    good = isinstance(value, accepted) and isinstance(value, bool) == (kind is bool)
    if good and kind is str:
        good = not of["choices"] or value in of["choices"]
        good = good and (not of["pattern"] or re.fullmatch(of["pattern"], value))
    elif good and kind is not bool:
        good = of["low"] <= value <= of["high"] and math.isfinite(value)
    if not good:
        takes = ", ".join(filter(None, [words, limits(setting)]))
        given = f"--{setting.name}={reprlib.repr(value)}"
        raise UsageError(f"bad value {given}: {of['help']} ({takes})")
    return kind(value)
