"""The rows of a table, and the runs behind each of them."""

import dataclasses
import pathlib
import shlex
from fractions import Fraction

from absl import flags

import acai_tf.flags
from acai_tf.config import EXECUTION_SETTINGS, Config, specific_settings
from acai_tf.data import settings_unread, short_name
from acai_tf.errors import UsageError
from acai_tf.models import settings_read
from acai_tf.tools.reproduce.published import LENGTH, Published, Table

LATENT = {  # for code sizes other than a dataset's default
    ("mnist", 256): {"latent": 16},
    ("svhn", 32): {"latent": 2},
    ("cifar10", 1024): {"latent": 64},
}
# Settings other than a model's defaults, as published.
PUBLISHED = {
    ("svhn", 32, "midrae"): {"advfake": 0.005},
    ("svhn", 256, "midrae"): {"advnoise": 0.5, "advfake": 0.05},
}
# The VQ-VAE with the original's start of the codebook, and with the one that short runs need.
VARIANTS = {"vqvae": ({}, {"zero_debias": True})}
SET_BY_TABLE = {"model", "dataset", "seed", "total_kimg", "run_dir", "original", "init"} | {
    *("latent", "latent_width")
}


@dataclasses.dataclass
class Row:
    """One row of a table: runs that differ only in their seed.

    Attributes:
        dataset, size, model: which row; the size is the published one.
        published: one number per column.
        variant: settings that tell it from another row of the same model.
        changed: settings given for the whole table that differ from the published ones.
        settings: all settings that are not defaults, these two among them.
        configs: one per seed, with their run folders.
    """

    dataset: str
    size: int
    model: str
    published: tuple[Published, ...]
    variant: dict
    changed: dict
    settings: dict
    configs: list[Config]

    @property
    def label(self) -> str:
        return " ".join([self.model, *words(self.variant)])

    @property
    def kimg(self) -> int:
        return self.configs[0].total_kimg

    def command(self, seed: int, paths: bool = True) -> list[str]:
        """Options of `acai-tf train` but --run_dir; with or without execution settings."""
        settings = {"dataset": self.dataset, "model": self.model, **self.settings}
        settings |= {"total_kimg": self.kimg, "seed": seed}
        return words({n: v for n, v in settings.items() if paths or n not in EXECUTION_SETTINGS})

    def shown_command(self, seed: int) -> str:
        """The command to print."""
        return shlex.join(["acai-tf", "train", *self.command(seed, paths=False)])


def words(settings: dict) -> list[str]:
    """Settings as words of a command line: --lr=0.001."""
    return [f"--{n}={str(v).lower() if isinstance(v, bool) else v}" for n, v in settings.items()]


def marks(settings: dict) -> list[str]:
    """Settings as parts of a file's name: lr0.001."""
    return [n if v is True else f"{n}{v}".lower().replace("/", "-") for n, v in settings.items()]


def read_settings(arguments: list[str]) -> dict:
    """Settings of `acai-tf train` for all runs of a table.

    Raises:
        UsageError: an unknown setting, a bad value, or a setting that the table itself sets.
    """
    values = flags.FlagValues()
    acai_tf.flags.define(values)
    acai_tf.flags.read(values, ["reproduce", *arguments])
    given = {name: values[name].value for name in values if values[name].present}
    Config(**given)  # checks ranges
    if own := SET_BY_TABLE & set(given):
        raise UsageError(f"--{min(own)} is set by the table's rows; --help says how to choose rows")
    return given


def rows(
    table: Table,
    runs_dir: pathlib.Path,
    *,
    seeds: int = 5,
    scale: float | Fraction = 1,
    given: dict | None = None,
    datasets: list[str] | None = None,
    models: list[str] | None = None,
    sizes: list[int] | None = None,
) -> list[Row]:
    """The rows of a table, in its order.

    Args:
        table: which.
        runs_dir: the folder of all runs.
        seeds: runs per row, with seeds 0, 1, ...
        scale: share of the published length, in (0, 1]; whole report periods, at least one.
        given: from `read_settings`; each run gets those that it reads.
        datasets, models, sizes: only these; None: all.

    Raises:
        UsageError: no such row, or a setting that does not fit.
    """
    if not 0 < scale <= 1:
        raise UsageError(f"--scale must be above 0 and at most 1, got {scale}")
    given, found, unread = given or {}, [], set(given or {})
    period = given.get("report_kimg", Config.report_kimg)
    length = max(1, int(LENGTH * Fraction(scale) / period)) * period
    for (dataset, size), by_model in table.cells.items():
        for model, published in by_model.items():
            wanted = ((dataset, datasets), (model, models), (size, sizes))
            if not all(choice is None or value in choice for value, choice in wanted):
                continue
            ignored = settings_unread(dataset) | (specific_settings() - set(settings_read(model)))
            read = {name: value for name, value in given.items() if name not in ignored}
            unread -= set(read)
            own = PUBLISHED.get((dataset, size, model), {})
            default = Config(model=model, dataset=dataset, **own)
            for variant in VARIANTS.get(model, ({},)):
                if set(variant) & set(read):
                    continue  # the given setting decides
                settings = {**LATENT.get((dataset, size), {}), **own, **read, **variant}
                config = Config(model=model, dataset=dataset, total_kimg=length, **settings)
                _ = config.reports, config.steps_per_report  # checks them
                changed = {
                    name: value
                    for name, value in read.items()
                    if name not in EXECUTION_SETTINGS and value != getattr(default, name)
                }
                parts = [model, f"d{config.code_size}", *marks(changed | variant)]
                run = runs_dir / short_name(dataset) / "-".join(parts)
                configs = [
                    dataclasses.replace(config, seed=seed, run_dir=f"{run}-seed{seed}")
                    for seed in range(seeds)
                ]
                row = (dataset, size, model, published, variant, changed, settings, configs)
                found.append(Row(*row))
    if not found:
        cells = ", ".join(f"{dataset} {size}" for dataset, size in table.cells)
        names = ", ".join(next(iter(table.cells.values())))
        raise UsageError(f"no such row; this table has {cells}, each with {names}")
    if unread:
        raise UsageError(f"no row of these reads {', '.join(f'--{name}' for name in unread)}")
    return found
