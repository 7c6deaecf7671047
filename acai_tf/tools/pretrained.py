"""List the pretrained models with their scores, or add one: acai-tf pretrained [--add=RUN_DIR]

--add exports the weights of a run's newest checkpoint in 16 bits, evaluates them, fits a sampler to
codes of the training images, and writes a card.
"""

import contextlib
import json
import os
import pathlib
import shlex
import shutil

import numpy as np
from tabulate import tabulate

from acai_tf import cli, flags, pretrained
from acai_tf.config import EXECUTION_SETTINGS, KIMG, Config, without_paths
from acai_tf.data import DATASETS
from acai_tf.errors import CannotEvaluate, UsageError
from acai_tf.evaluation import all_scores, figures, format_score, load_evaluator
from acai_tf.evaluation.target import open_target
from acai_tf.export import ABOUT, SAMPLER
from acai_tf.export.write import export_run
from acai_tf.files import expanded
from acai_tf.models import samplers
from acai_tf.training.run_folder import RunFolder

EVALUATORS = ["reconstruction", "probe", "lines", "clustering"]
SHOWN = ("line_distance", "probe_accuracy", "clustering_accuracy", "test_rmse")
CARD, PICTURE = "README.md", "lerp.png"
CARD_TEXT = """\
# {name}

`acai_tf.load({name!r})`: {config.model} on {config.dataset}, images of {images}, codes of
{config.code_size} values ({latents}).

![interpolations: each row starts and ends at a test image]({picture})

Trained for {kimg:,.0f} kimg, {step:,} steps (published runs: 16,384 kimg){averaged}:

```sh
{command}
```

Classes: {classes}. Fingerprint of the training images: `{fingerprint}`. Made with {versions}.

Scores of these weights, which are kept in 16 bits, on the test set:

| | |
| --- | --- |
{rows}
"""


def main() -> None:
    """The command line.

    Raises:
        UsageError: --add names no run, one that cannot be read, or one whose name is taken.
    """
    parser = cli.Parser("pretrained", __doc__)
    parser.add_argument("--add", metavar="RUN_DIR", help="make a pretrained model of this run")
    parser.add_argument("--data_dir", help="where tfds keeps its data; default: as in training")
    parser.add_argument("--cache_dir", help="default: as in training")
    parser.add_argument("--n_init", type=int, default=1000, help="restarts of k-means")
    parser.add_argument(
        "--out", default=pretrained.FOLDER, help="folder for --add; default: %(default)s"
    )
    arguments = parser.parse_args()
    if arguments.add is None:
        return _list()
    config = RunFolder(arguments.add).config()
    if config.dataset not in DATASETS:
        raise UsageError(f"{arguments.add} is on {config.dataset}, which is not a public dataset")
    if RunFolder(arguments.add).vocabulary():
        raise UsageError(f"{arguments.add} is of text; pretrained models are not")
    name = f"{config.model}/{config.dataset}-d{config.code_size}"
    folder = expanded(arguments.out) / name
    if folder.exists():
        raise UsageError(f"{folder} exists; remove it first")
    cli.load_backend()
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        _add(arguments, name, partial)
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    print(f"written: {folder}")


def _list() -> None:
    rows = []
    for name in pretrained.names():
        about = json.loads((pretrained.FOLDER / name / ABOUT).read_text())
        rows.append([name, about["step"], *(about["scores"].get(score) for score in SHOWN)])
    print(tabulate(rows, ["name", "step", *SHOWN], floatfmt=".4g"))


def _add(arguments, model: str, folder: pathlib.Path) -> None:
    export_run(arguments.add, str(folder), ("weights",), overwrite=True)
    with np.load(folder / "weights.npz") as weights:
        # float16 has more digits than bfloat16.
        short = {
            k: v.astype(np.float16) if v.dtype == np.float32 else v for k, v in weights.items()
        }
    np.savez(folder / "weights.npz", **short)
    given = {"data_dir": arguments.data_dir, "cache_dir": arguments.cache_dir}
    changes = {name: value for name, value in given.items() if value is not None}
    context, _, _ = open_target(str(folder), changes, raw_pixels=False)
    about = json.loads((folder / ABOUT).read_text())
    config = RunFolder(arguments.add).config()  # an export's has the precision of inference
    about["config"] = without_paths(config.to_dict())
    about["scores"] = {}
    for name in EVALUATORS:
        evaluator = load_evaluator(name)
        options = {"n_init": arguments.n_init} if name == "clustering" else {}
        with contextlib.suppress(CannotEvaluate):
            for score, value in evaluator.evaluate(context, **options).items():
                about["scores"][score] = float(f"{value:.6g}") if np.isfinite(value) else None
    (folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n")
    sampler = context.model.fit_sampler(context.dataset.train_once(samplers.CODES)[0])
    samplers.save(sampler, folder / SAMPLER)
    sheets = figures.sheets(context.model, context.dataset.test_images)
    figures.save_png(sheets["lerp"], folder / PICTURE)
    (folder / CARD).write_text(card(model, config, about), "utf-8")


def card(name: str, config: Config, about: dict) -> str:
    """A pretrained model's card; `about` is what its acai_tf.json holds."""
    shown = all_scores()
    return CARD_TEXT.format(
        name=name,
        config=config,
        images="x".join(map(str, about["image_shape"])),
        latents="x".join(map(str, about["latent_shape"])),
        picture=PICTURE,
        kimg=about["step"] * config.batch / KIMG,
        step=about["step"],
        averaged=f", averaged with a half-life of {config.ema_kimg:g} kimg" * bool(config.ema_kimg),
        command=training_command(config),
        classes=", ".join(about["class_names"]) or "none",
        fingerprint=about["images"],
        versions=", ".join(f"{package} {number}" for package, number in about["versions"].items()),
        rows="\n".join(
            f"| {shown[score][0]} | {format_score(value, shown[score][0])} |"
            for score, value in about["scores"].items()
            if value is not None
        ),
    )


def training_command(config: Config) -> str:
    """The shortest command line that trains `config` on any machine."""
    words = ["train.py", f"--dataset={config.dataset}", f"--model={config.model}"]
    plain = flags.parse(words)
    for name, value in config.to_dict().items():
        if name not in {"original", *EXECUTION_SETTINGS} and value != getattr(plain, name):
            words.append(f"--{name}={value}")
    return shlex.join(["python", *words])
