"""Evaluate a finished or running run: acai-tf evaluate --run_dir=runs/..., or python evaluate.py.

Prints a table and writes eval.json, figures/ and report.html into the run folder. Earlier results
of the same weights are reused.
"""

import pathlib
import sys

from absl import flags as absl_flags

from acai_tf import cli, flags, pretrained
from acai_tf.errors import UsageError
from acai_tf.evaluation import EVALUATORS, check_names


def _define(values: absl_flags.FlagValues) -> None:
    def text(name, help):
        absl_flags.DEFINE_string(name, None, help, flag_values=values)

    def switch(name, help):
        absl_flags.DEFINE_bool(name, False, help, flag_values=values)

    def number(name, default, help, low, high=None):
        absl_flags.DEFINE_integer(name, default, help, low, high, flag_values=values)

    text("run_dir", "A run folder, the folder of an export, or a pretrained model's name.")
    text("evaluators", f"Evaluators, or my_package.mine; default: {','.join(EVALUATORS)}.")
    text("data_dir", "Where tfds keeps its data; default: as in training.")
    text("cache_dir", "Where decoded images are kept; default: as in training.")
    text("dataset", "Dataset to evaluate on; default: as in training.")
    text("features", "Generation: my_module:function, images [N, H, W, C] uint8 -> [N, f].")
    text("out", "Folder to write to; default: the run's own.")
    switch("raw_pixels", "Evaluate raw pixels in place of codes: the pixel baseline.")
    switch("again", "Measure again even what could be reused.")
    switch("quick", "No baselines, classifier, t-SNE or UMAP; 50 restarts of k-means.")
    number("n_init", None, "Clustering: restarts of k-means; default: 1000, 50 if --quick.", 1)
    number("seed", 0, "Seed of the evaluation.", 0, 2**32 - 1)


def main() -> None:
    """The command line.

    Raises:
        UsageError: an unknown flag or evaluator, no such run; as `acai_tf.evaluate`.
    """
    values = absl_flags.FlagValues()
    _define(values)
    if flags.asks_for_help(sys.argv):
        return print(flags.help_text(__doc__, values))
    flags.read(values, sys.argv)
    names = (values.evaluators or "").split(",")
    names = check_names([name for name in names if name])
    if not values.run_dir:
        if not values.raw_pixels:
            raise UsageError("--run_dir is needed: a run folder, an export or a pretrained model")
        if not values.dataset:
            raise UsageError("--raw_pixels needs --dataset, or the --run_dir of a run on it")
    elif not pathlib.Path(pretrained.resolve(values.run_dir)).expanduser().is_dir():
        raise UsageError(f"--run_dir={values.run_dir} is not a run folder: it does not exist")
    cli.load_backend()  # only now: bad words are answered at once
    from acai_tf.evaluation.run import evaluate_run  # doubles the time of --help

    evaluate_run(**{**values.flag_values_dict(), "evaluators": names})
