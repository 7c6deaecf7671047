"""Models that come with the package: acai-tf pretrained [--add=RUN_DIR]

Without an option it lists them with their scores. --add makes one of a run's newest checkpoint:
weights in 16 bits, evaluated as they are then, and a card. It is written into the package itself,
wherever that is installed, unless --out names another folder.
"""

import contextlib
import json
import os
import pathlib
import shutil

import numpy as np

from acai_tf import cli, pretrained
from acai_tf.config import without_paths
from acai_tf.data import DATASETS
from acai_tf.errors import CannotEvaluate, UsageError
from acai_tf.evaluation import load_evaluator
from acai_tf.files import expanded
from acai_tf.training.run_folder import RunFolder

SHOWN = ("line_distance", "probe_accuracy", "clustering_accuracy", "test_rmse")
EVALUATORS = ["reconstruction", "probe", "lines", "clustering"]


def main() -> None:
    """The command line.

    Raises:
        UsageError: --add names no run, one that cannot be read, or one whose name is taken.
    """
    parser = cli.Parser("pretrained", __doc__)
    parser.add_argument("--add", metavar="RUN_DIR", help="make one of this run")
    parser.add_argument("--data_dir", help="where tfds keeps its data; default: as in training")
    parser.add_argument("--cache_dir", help="default: as in training")
    parser.add_argument("--n_init", type=int, default=1000, help="restarts of k-means")
    parser.add_argument(
        "--out", default=pretrained.FOLDER, help="folder for --add; default: %(default)s"
    )
    arguments = parser.parse_args()
    if arguments.add is None:
        return _list()
    if arguments.n_init < 1:
        raise UsageError(f"--n_init must be at least 1, got {arguments.n_init}")
    config = RunFolder(arguments.add).config()
    if config.dataset not in DATASETS:
        raise UsageError(f"{arguments.add} is on {config.dataset}, which is not everybody's")
    name = f"{config.model}/{config.dataset}-d{config.code_size}"
    folder = expanded(arguments.out) / name
    if folder.exists():
        raise UsageError(f"{folder} exists; remove it first")
    cli.load_backend()
    partial = folder.with_name(f".{folder.name}.partial")  # half a model is none
    try:
        _add(arguments, name, partial)
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    print(f"written: {folder}")


def _list() -> None:
    from tabulate import tabulate

    rows = []
    for name in pretrained.names():
        about = json.loads((pretrained.FOLDER / name / "acai_tf.json").read_text())
        scores = [about["scores"].get(score) for score in SHOWN]
        rows.append([name, about["step"], *("" if s is None else f"{s:.4g}" for s in scores)])
    print(tabulate(rows, ["name", "step", *SHOWN], disable_numparse=True))


def _add(arguments, name: str, folder: pathlib.Path) -> None:
    """Export, shorten the numbers, measure what they are then, write the card."""
    from acai_tf.evaluation import figures
    from acai_tf.evaluation.target import open_target
    from acai_tf.export import ABOUT
    from acai_tf.export.write import export_run
    from acai_tf.pretrained import card

    export_run(arguments.add, str(folder), ("weights",), overwrite=True)
    with np.load(folder / "weights.npz") as weights:
        short = {path: _shortened(weights[path]) for path in weights.files}
    np.savez(folder / "weights.npz", **short)
    places = {"data_dir": arguments.data_dir, "cache_dir": arguments.cache_dir}
    places = {place: value for place, value in places.items() if value is not None}
    context, _, _ = open_target(str(folder), places, raw_pixels=False)
    about = json.loads((folder / ABOUT).read_text())
    about["config"] = without_paths(about["config"])
    about["scores"] = _scores(context, arguments.n_init)
    (folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n")
    sheets = figures.sheets(context.model, context.dataset.test_images)
    figures.save_png(sheets["lerp"], folder / card.PICTURE)
    card.write(folder, name)


def _scores(context, n_init: int) -> dict[str, float | None]:
    """Of each evaluator that applies; null where a score is not defined."""
    scores = {}
    for name in EVALUATORS:
        with contextlib.suppress(CannotEvaluate):
            options = {"n_init": n_init} if name == "clustering" else {}
            scores |= load_evaluator(name).evaluate(context, **options)
            print(f"measured: {name}", flush=True)
    return {
        name: float(f"{value:.6g}") if np.isfinite(value) else None
        for name, value in scores.items()
    }


def _shortened(array: np.ndarray) -> np.ndarray:
    """Numbers in 16 bits: float16 has 11 of them for digits, where bfloat16 has 8.

    Raises:
        UsageError: a number is too large for it.
    """
    if array.dtype != np.float32:
        return array
    with np.errstate(over="ignore"):
        short = array.astype(np.float16)
    if not np.all(np.isfinite(short)):
        raise UsageError(f"weights up to {np.abs(array).max():g} do not fit into 16 bits")
    return short
