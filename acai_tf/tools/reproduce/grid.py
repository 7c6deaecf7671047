"""The runs behind a table: each is one command line of train.py."""

import dataclasses
import pathlib
import shlex

from absl import flags

import acai_tf.flags
from acai_tf import data
from acai_tf.config import EXECUTION_SETTINGS, Config, specific_settings
from acai_tf.data import short_name
from acai_tf.errors import UsageError
from acai_tf.models import settings_read
from acai_tf.tools.reproduce.published import KIMG, Published, Table

ROOT = pathlib.Path(__file__).resolve().parents[2]  # of the clone: train.py is there
LATENT = {  # code sizes other than the defaults of a dataset
    ("mnist", 256): ("--latent=16",),
    ("svhn", 32): ("--latent=2",),
    ("cifar10", 1024): ("--latent=64",),
}
# The codebook's start of the original, and the one that short runs need.
VARIANTS = {"vqvae": ((), ("--zero_debias=true",))}
OWN = {"model", "dataset", "seed", "total_kimg", "run_dir", "original", "latent", "latent_width"}


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table: runs that differ in their seed alone.

    Attributes:
        dataset, size, model: which; the size is the published one.
        variant: settings that tell it from another row of the same model.
        settings: all words of its command line but those two, the length and the seed.
        told: those of them that were given for the whole table and differ from what was published.
        kimg: the length of its runs.
        published: a number for each column.
        configs: one a seed, with their run folders.
    """

    dataset: str
    size: int
    model: str
    variant: tuple[str, ...]
    settings: tuple[str, ...]
    told: tuple[str, ...]
    kimg: int
    published: tuple[Published, ...]
    configs: tuple[Config, ...] = ()

    @property
    def key(self) -> tuple:
        """What tells it from the table's other rows."""
        return self.dataset, self.size, self.model, self.variant

    @property
    def label(self) -> str:
        """Its model, and what tells it from another row of that."""
        return " ".join([self.model, *self.variant])

    def command(self, seed: int) -> list[str]:
        """The words after `python train.py` for one seed, whose default run folder it has not."""
        words = [f"--dataset={self.dataset}", f"--model={self.model}", *self.settings]
        return [*words, f"--total_kimg={self.kimg}", f"--seed={seed}"]

    def shown_command(self, seed: int) -> str:
        """The same as one types it, without where things lie on the machine that it ran on."""
        words = [word for word in self.command(seed) if _name(word) not in EXECUTION_SETTINGS]
        return shlex.join(["python", "train.py", *words])


def read_settings(words: list[str]) -> tuple[str, ...]:
    """Settings of train.py for all runs of a table, each as one word: "--lr=0.001".

    Args:
        words: as they were given: "--lr=1e-3", "--data_dir", "D", "--nofused", ...

    Raises:
        UsageError: no setting, a bad value, or one that the table sets by itself.
    """
    values = flags.FlagValues()
    acai_tf.flags.define(values)
    acai_tf.flags.read(values, ["reproduce", *words])
    given = {name: values[name].value for name in values if values[name].present}
    Config(**given)  # refuses what is out of range
    if own := OWN & set(given):
        raise UsageError(
            f"--{min(own)} is what a table's rows differ in; see --help to choose rows"
        )
    return tuple(
        f"--{name}={str(value).lower() if isinstance(value, bool) else value}"
        for name, value in given.items()
    )


def rows(
    table: Table,
    runs_dir: pathlib.Path,
    *,
    seeds: int = 5,
    scale: float = 1.0,
    given: tuple[str, ...] = (),
    datasets: list[str] | None = None,
    models: list[str] | None = None,
    sizes: list[int] | None = None,
) -> list[Row]:
    """The rows of a table, in its order.

    Args:
        table: which.
        runs_dir: the folder of all runs.
        seeds: how many: 0, 1, ...
        scale: of the published length, in (0, 1]; whole report periods are trained, one at least.
        given: what `read_settings` returns.
        datasets, models, sizes: only these; None: all.

    Raises:
        UsageError: there is no such row, or a setting does not fit.
    """
    if not 0 < scale <= 1:
        raise UsageError(f"--scale must be above 0 and at most 1, got {scale:g}")
    period = next((int(_value(w)) for w in given if _name(w) == "report_kimg"), Config.report_kimg)
    kimg = max(1, int(KIMG * scale / period + 1e-9)) * period
    found = []
    for (dataset, size), by_model in table.cells.items():
        for model, published in by_model.items():
            wanted = ((dataset, datasets), (model, models), (size, sizes))
            if not all(choice is None or value in choice for value, choice in wanted):
                continue
            read = tuple(word for word in given if _reads(dataset, model, _name(word)))
            for variant in VARIANTS.get(model, ((),)):
                if set(map(_name, variant)) & set(map(_name, read)):
                    continue  # what is given for all leaves no choice
                settings = (*LATENT.get((dataset, size), ()), *read, *variant)
                row = Row(dataset, size, model, variant, settings, read, kimg, published)
                row = dataclasses.replace(row, told=_differing(row, period) if read else ())
                found.append(dataclasses.replace(row, configs=_configs(row, seeds, runs_dir)))
    if not found:
        cells = ", ".join(f"{dataset} {size}" for dataset, size in table.cells)
        names = ", ".join(next(iter(table.cells.values())))
        raise UsageError(f"there is no such row; this table has {cells}, each with {names}")
    for word in given:
        if not any(word in row.settings for row in found):
            raise UsageError(f"no row of these reads {word}")
    return found


def _differing(row: Row, period: int) -> tuple[str, ...]:
    """Those words of `row.told` that make another run than the published settings do."""
    base = ["train.py", f"--dataset={row.dataset}", f"--model={row.model}"]
    plain = acai_tf.flags.parse([*base, f"--total_kimg={Config.report_kimg}"])
    ours = acai_tf.flags.parse([*base, *row.settings, f"--total_kimg={period}"])
    return tuple(
        word
        for word in row.told
        if (name := _name(word)) not in EXECUTION_SETTINGS
        and getattr(plain, name) != getattr(ours, name)
    )


def mark(word: str) -> str:
    """A setting as part of a file's name: lr0.001 of --lr=0.001, fused of --fused=true."""
    value = _value(word)
    return _name(word) + ("" if value == "true" else value.replace("/", "-"))


def _configs(row: Row, seeds: int, runs_dir: pathlib.Path) -> tuple[Config, ...]:
    config = acai_tf.flags.parse(["train.py", *row.command(0)])
    marks = map(mark, (*row.told, *row.variant))
    name = "-".join([row.model, f"d{config.code_size}", *marks])
    run = runs_dir / short_name(row.dataset) / name
    return tuple(
        dataclasses.replace(config, seed=seed, run_dir=f"{run}-seed{seed}") for seed in range(seeds)
    )


def _reads(dataset: str, model: str, name: str) -> bool:
    """Whether a run of this model on this dataset reads a setting."""
    try:
        data.refuse_unread(dataset, {name})
    except UsageError:
        return False
    return name not in specific_settings() or name in settings_read(model)


def _name(word: str) -> str:
    return word.removeprefix("--").partition("=")[0]


def _value(word: str) -> str:
    return word.partition("=")[2]
