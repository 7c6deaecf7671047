"""The one schema of a run and the only place of its defaults.

Flags are generated from it (`acai_tf.flags`), it is saved as `config.json` in
the run folder, and everything in the package takes it as an argument.
"""

import dataclasses
import functools
import math
import numbers
import reprlib
import typing
from dataclasses import dataclass, field

from acai_tf.errors import UsageError

KIMG = 1024  # images; the original counts 1 kimg as 1,024 images
LONGEST = 4096  # characters of a text; no path is longer
MOST_STEPS = 2**31  # of a run; JAX counts steps in 32 bits
MOST_LAYERS = 16  # that a setting may list
WIDEST_LAYER = 2**14

# Defaults that depend on the dataset, and on the model trained on it, as published where the paper
# has the dataset; "" is any. What is named in a later line wins.
DEFAULTS = {
    ("", ""): {"depth": 64, "latent": 16, "latent_width": 4, "total_kimg": 1 << 14, "dropout": 0.5},
    ("lines", ""): {"depth": 16, "latent_width": 2},
    ("lines", "vqvae"): {"latent_width": 4},  # the one model that the original gave a wider map
    ("digits", ""): {"depth": 16, "latent": 2, "total_kimg": 1024},  # 730 epochs
    ("mnist", ""): {"depth": 16, "latent": 2},
    ("cifar10", "dropout"): {"dropout": 0.75},
}


def _setting(
    default, help: str, *, minimum=None, maximum=None, choices=(), specific=False, datasets=()
):
    """A field: its default, its flag's help, its range or the words it takes, whether only some
    models read it, and the datasets that read it (none: all)."""
    return field(
        default=default,
        metadata={
            "help": help,
            "min": minimum,
            "max": maximum,
            "choices": choices,
            "specific": specific,
            "datasets": datasets,
        },
    )


@dataclass(frozen=True)
class Config:
    """Settings of one training run; names as in the original program where it had them.

    A setting in DEFAULTS that is not given, or None, gets its dataset's and model's default.

    Raises:
        UsageError: a value of the wrong type or outside its range.
    """

    # What is trained on what.
    model: str = _setting("acai", "Autoencoder to train (see acai_tf.models.MODELS).")
    dataset: str = _setting(
        "lines", "Dataset to train on (see acai_tf.data.DATASETS), folder:.., tfds:.. or npz:.."
    )
    image_size: int = _setting(
        32,
        "Height and width in pixels that images are brought to.",
        minimum=16,
        maximum=256,
        datasets=("digits", "mnist", "svhn", "cifar10", "celeba", "tfds", "folder"),
    )
    background: str = _setting(
        "white",
        "Colour that transparent pictures are laid on: a name, or #rrggbb.",
        datasets=("tfds", "folder"),
    )
    svhn_extra: bool = _setting(
        True, "SVHN: train on the extra images too, as published.", datasets=("svhn",)
    )
    data_dir: str = _setting("", "Where tfds keeps its data; empty: tfds' own default.")
    cache_dir: str = _setting("", "Where decoded images are kept; empty: ~/.cache/acai_tf.")
    run_dir: str = _setting("", "Run folder; empty: runs/<dataset>/<model>-d<size>-seed<seed>.")
    original: str = _setting("", "Run folder of the original TF1 program to go on from.")
    init: str = _setting(
        "", "Start from the weights of a run, an export, or a pretrained model (acai/mnist-d32)."
    )
    seed: int = _setting(
        0, "Seed of weights, data order and random draws.", minimum=0, maximum=2**32 - 1
    )

    # Length and optimiser. 2**14 kimg = 16,777,216 images is the published length.
    total_kimg: int = _setting(
        None, "Length of training in units of 1,024 images.", minimum=1, maximum=2**32
    )
    report_kimg: int = _setting(
        64, "Report, evaluate and checkpoint this often.", minimum=1, maximum=2**32
    )
    batch: int = _setting(64, "Images per step (over all devices).", minimum=1, maximum=2**16)
    lr: float = _setting(1e-4, "Learning rate of Adam.", minimum=0.0)

    # The autoencoder's shape: code size d = latent * latent_width**2.
    depth: int = _setting(None, "Channels of the first convolution.", minimum=1, maximum=2**12)
    latent: int = _setting(None, "Channels of the latent map.", minimum=1, maximum=2**16)
    latent_width: int = _setting(
        None, "Height and width of the latent map.", minimum=1, maximum=2**12
    )

    networks: str = _setting("paper", "Encoder and decoder (see acai_tf.models.NETWORKS).")
    regularizers: str = _setting(
        "", "Added to the model's own: name(key=value), ... (see acai_tf.models.REGULARIZERS)."
    )

    # How it is computed. But for rounding (dtype_policy) and random numbers (XLA's are others)
    # none of these changes the result.
    strategy: str = _setting(
        "auto",
        "Devices: default (one), mirrored (all GPUs), multiworker (TF_CONFIG); auto: as many as"
        " there are.",
        choices=("auto", "default", "mirrored", "multiworker"),
    )
    logical_devices: int = _setting(
        0, "Split the CPU into so many devices, to try --strategy=mirrored.", minimum=0, maximum=64
    )
    dtype_policy: str = _setting(
        "float32",
        "float32, or mixed_bfloat16: computes in bfloat16, keeps weights and losses in float32.",
        choices=("float32", "mixed_bfloat16"),
    )
    xla: str = _setting(
        "auto",
        "Compile steps with XLA; auto: on an accelerator.",
        choices=("auto", "true", "false"),
    )
    fused: bool = _setting(
        True, "Compute steps with less arithmetic where there is a way; false: straightforwardly."
    )
    steps_per_execution: str = _setting(
        "auto", "Steps that the device takes without a word from Python; auto: 1 on CPU, else 32."
    )
    on_nonfinite: str = _setting(
        "stop",
        "When a loss is no longer finite: stop, or rollback to the last checkpoint and go on with"
        " other batches and draws.",
        choices=("stop", "rollback"),
    )

    export: bool = _setting(
        True, "Export the finished model as a SavedModel into the run folder (with TensorFlow)."
    )

    # Settings that only some models read (named in its line of acai_tf.models.MODELS).
    advweight: float = _setting(
        0.5, "ACAI: weight lambda of the adversarial loss.", minimum=0.0, specific=True
    )
    advdepth: int = _setting(
        0,
        "ACAI: channels of the critic's first convolution; 0: depth.",
        minimum=0,
        maximum=2**12,
        specific=True,
    )
    reg: float = _setting(
        0.2, "ACAI: gamma, how real the critic's real images are.", minimum=0.0, specific=True
    )
    noise: float = _setting(
        1.0, "Denoising: standard deviation of the noise.", minimum=0.0, specific=True
    )
    dropout: float = _setting(
        None,
        "Dropout: probability to KEEP a latent value.",
        minimum=0.01,
        maximum=1.0,
        specific=True,
    )
    beta: float | None = _setting(
        None,
        "VAE: weight of the KL term (1); VQ-VAE: of the commitment (10).",
        minimum=0.0,
        specific=True,
    )
    adversary_lr: float = _setting(
        1e-4, "AAE: the discriminator's learning rate.", minimum=0.0, specific=True
    )
    disc_layer_sizes: str = _setting(
        "100,100", "AAE: hidden layer sizes of the discriminator.", specific=True
    )
    z_log_size: int = _setting(
        14, "VQ-VAE: log2 of the codebook's size.", minimum=1, maximum=24, specific=True
    )
    num_latents: int = _setting(
        10, "VQ-VAE: codes per image.", minimum=1, maximum=2**12, specific=True
    )
    zero_debias: bool = _setting(
        False, "VQ-VAE: start the codebook's averages without the original's bias.", specific=True
    )

    def __post_init__(self):
        for setting in dataclasses.fields(self):
            value = _checked(setting, getattr(self, setting.name))
            object.__setattr__(self, setting.name, value)  # frozen for everyone else
        for name, value in defaults(self.dataset, self.model).items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        self.steps_at_once(default=1)
        self.layer_sizes("disc_layer_sizes")
        _ = self.background_rgb

    @property
    def steps_per_report(self) -> int:
        """Steps of one report period.

        Raises:
            UsageError: the period is no whole number of batches.
        """
        images = self.report_kimg * KIMG
        if images % self.batch:
            fitting = [n for n in range(1, 2**16 + 1) if not images % n]
            near = sorted(sorted(fitting, key=lambda n: abs(n - self.batch))[:2])
            raise UsageError(
                f"--batch={self.batch} does not divide the {images} images of a report"
                f" (--report_kimg={self.report_kimg}); use {' or '.join(map(str, near))}"
            )
        return images // self.batch

    @property
    def reports(self) -> int:
        """Report periods of the whole run.

        Raises:
            UsageError: the length is no whole number of report periods, or is MOST_STEPS or more.
        """
        if self.total_kimg * KIMG >= MOST_STEPS * self.batch:
            raise UsageError(
                f"--total_kimg={self.total_kimg} is {self.total_kimg * KIMG // self.batch:,} steps;"
                f" use fewer than {MOST_STEPS:,}, at most"
                f" --total_kimg={(MOST_STEPS * self.batch - 1) // KIMG}"
            )
        if self.total_kimg % self.report_kimg:
            raise UsageError(
                f"--total_kimg={self.total_kimg} is not a whole number of reports of"
                f" {self.report_kimg} kimg; use --total_kimg="
                f"{math.ceil(self.total_kimg / self.report_kimg) * self.report_kimg}"
                f" or --report_kimg={math.gcd(self.total_kimg, self.report_kimg)}"
            )
        return self.total_kimg // self.report_kimg

    @property
    def background_rgb(self) -> tuple[int, int, int]:
        """--background as (red, green, blue), 0..255.

        Raises:
            UsageError: it is not a colour, or not an opaque one.
        """
        from PIL import ImageColor

        try:
            red, green, blue = ImageColor.getrgb(self.background)
            bytes((red, green, blue))
        except ValueError:  # unknown, with an alpha, or rgb(0, 0, 400)
            raise UsageError(
                "--background takes a colour's name or #rrggbb, got"
                f" {reprlib.repr(self.background)}"
            ) from None
        return red, green, blue

    @property
    def code_size(self) -> int:
        """The paper's d: how many numbers a code is."""
        return self.latent * self.latent_width**2

    def steps_at_once(self, default: int) -> int:
        """--steps_per_execution as a number; `default` is what auto stands for.

        Raises:
            UsageError: it is neither auto nor a positive whole number.
        """
        word = self.steps_per_execution
        if word == "auto":
            return default
        if not (word.isascii() and word.isdecimal() and 0 < int(word) <= 2**16):
            raise UsageError(
                f"--steps_per_execution takes auto or a whole number from 1 on, got {word!r}"
            )
        return int(word)

    def layer_sizes(self, setting: str) -> list[int]:
        """A setting that lists layer sizes, "100,100", as numbers.

        Raises:
            UsageError: it is no list of positive whole numbers, or one of them or their count is
                very large.
        """
        words = getattr(self, setting).split(",")
        numbers = all(w.strip().isdecimal() and 0 < int(w) <= WIDEST_LAYER for w in words)
        if not numbers or len(words) > MOST_LAYERS:
            raise UsageError(
                f"--{setting} takes layer sizes such as 100,100, {MOST_LAYERS} at most, each"
                f" 1 to {WIDEST_LAYER}, got {reprlib.repr(getattr(self, setting))}"
            )
        return [int(word) for word in words]

    def to_dict(self) -> dict:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "Config":
        """The Config saved by `to_dict`; settings it does not name get their defaults.

        Raises:
            UsageError: an unknown setting or a bad value.
        """
        if not isinstance(values, dict):
            raise UsageError(f"the configuration is no list of settings: {reprlib.repr(values)}")
        unknown = set(values) - {setting.name for setting in dataclasses.fields(cls)}
        if unknown:
            raise UsageError(f"unknown settings in the configuration: {', '.join(sorted(unknown))}")
        return cls(**values)


def poolings(image_shape: tuple[int, ...], latent_width: int) -> int:
    """Number of 2x poolings from an image to a latent map whose shorter side is `latent_width`.

    Raises:
        UsageError: there is no such number.
    """
    short, long = sorted(image_shape[:2])
    count = round(math.log2(max(1, short // latent_width)))
    if latent_width << count != short or long % (1 << count):
        common = math.gcd(short, long)
        fitting = [short >> n for n in range(common.bit_length()) if not common % (1 << n)]
        raise UsageError(
            f"--latent_width={latent_width} does not divide the image width {short}"
            f" by a power of two; use one of {', '.join(map(str, fitting))}"
        )
    return count


# Settings that say where things lie and how they are computed, not what.
EXECUTION_SETTINGS = frozenset(
    ("run_dir", "data_dir", "cache_dir", "strategy", "logical_devices", "xla", "fused")
    + ("steps_per_execution", "on_nonfinite", "export")
)


def without_paths(settings: dict) -> dict:
    """Saved settings without where things lay on the machine that they are of."""
    return {**settings, "run_dir": "", "data_dir": "", "cache_dir": ""}


def specific_settings() -> set[str]:
    """Names of the settings that only some models read."""
    return {f.name for f in dataclasses.fields(Config) if f.metadata["specific"]}


def settings_unread_by(dataset: str) -> set[str]:
    """Names of the settings that a dataset, or a source such as folder, does not read."""
    return {
        f.name
        for f in dataclasses.fields(Config)
        if f.metadata["datasets"] and dataset not in f.metadata["datasets"]
    }


def defaults(dataset: str, model: str) -> dict:
    """The settings in DEFAULTS, as they are for a model on a dataset."""
    dataset = dataset.removesuffix("32")  # the original's names
    named = {}
    for (on, of), settings in DEFAULTS.items():
        if on in ("", dataset) and of in ("", model):
            named |= settings
    return named


def changed_settings(config: Config) -> set[str]:
    """Names of the settings whose value is not the default for their dataset and model."""
    plain = {f.name: f.default for f in dataclasses.fields(config)}
    plain |= defaults(config.dataset, config.model)
    return {name for name, value in plain.items() if getattr(config, name) != value}


def configured(config: Config | None, settings: dict) -> Config:
    """`config` with some settings changed; the `Config` of `settings` alone where it is None."""
    return Config(**settings) if config is None else dataclasses.replace(config, **settings)


@functools.cache
def setting_kinds() -> dict[str, type]:
    """Each setting's name -> its type; what may also be None is what it is otherwise."""
    hints = typing.get_type_hints(Config)
    return {name: next(iter(typing.get_args(hint)), hint) for name, hint in hints.items()}


_KINDS = {
    int: (numbers.Integral, "a whole number"),
    float: (numbers.Real, "a number"),
    bool: (bool, "true or false"),
    str: (str, "a text"),
}


_REASONS = dict.fromkeys(
    ("float16", "mixed_float16"),
    " (small gradients vanish in float16 unless losses are scaled, and each player's would need a"
    " scale of its own; bfloat16 has the range of float32)",
)


def _is_finite(value) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:  # a whole number that no float can hold
        return False


def _checked(setting: dataclasses.Field, value):
    """The value as a plain Python one, which JSON can hold; refused if it is a bad one."""
    if value is None and setting.default is None:
        return None
    if setting.name in ("xla", "steps_per_execution") and isinstance(value, int):
        value = str(value).lower()  # as one says it in Python: True, 4
    kind = setting_kinds()[setting.name]
    abstract, description = _KINDS[kind]
    if not isinstance(value, abstract) or (isinstance(value, bool) and kind is not bool):
        raise UsageError(f"--{setting.name} takes {description}, got {reprlib.repr(value)}")
    if kind is float and not _is_finite(value):
        raise UsageError(f"--{setting.name} must be finite, got {reprlib.repr(value)}")
    if kind is str and (len(value) > LONGEST or "\0" in value):
        raise UsageError(
            f"--{setting.name} takes {LONGEST} characters at most, and no null, got"
            f" {reprlib.repr(value)}"
        )
    choices = setting.metadata["choices"]
    if choices and value not in choices:
        reason = _REASONS.get(value, "")
        raise UsageError(f"--{setting.name} takes {', '.join(choices)}; got {value!r}{reason}")
    low, high = setting.metadata["min"], setting.metadata["max"]
    if low is not None and value < low:
        raise UsageError(f"--{setting.name} must be at least {low}, got {value}")
    if high is not None and value > high:
        raise UsageError(f"--{setting.name} must be at most {high}, got {value}")
    return kind(value)
