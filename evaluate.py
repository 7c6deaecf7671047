"""Evaluate a finished or running run: python evaluate.py --run_dir=runs/...

Prints a table and writes eval.json, figures/ and report.html into the run folder. What was measured
before of the same weights is kept.
"""

import pathlib
import sys

from acai_tf import signals

if __name__ == "__main__":
    signals.end_at_once()  # during the imports too

from absl import app, flags

import acai_tf.flags
from acai_tf import command, pretrained
from acai_tf.errors import UsageError
from acai_tf.evaluation import EVALUATORS, check_names

FLAGS = flags.FLAGS
flags.DEFINE_string("run_dir", None, "Run folder to evaluate, or that of an exported model.")
flags.DEFINE_bool("raw_pixels", False, "Evaluate raw pixels in place of codes: the floor.")
flags.DEFINE_list("evaluators", list(EVALUATORS), "Which evaluators to run, or my_package.mine.")
flags.DEFINE_string("data_dir", None, "Where tfds keeps its data; default: as in training.")
flags.DEFINE_string("cache_dir", None, "Where decoded images are kept; default: as in training.")
flags.DEFINE_string("dataset", None, "Dataset to evaluate on; default: as in training.")
flags.DEFINE_string("out", None, "Folder to write to; default: the run's own.")
flags.DEFINE_bool("again", False, "Measure anew what has been measured before.")
flags.DEFINE_integer("n_init", 1000, "Clustering: restarts of k-means.", lower_bound=1)
flags.DEFINE_integer("seed", 0, "Seed of the evaluation.", lower_bound=0, upper_bound=2**32 - 1)


def main() -> None:
    acai_tf.flags.read(FLAGS, sys.argv)
    names = check_names([name for name in FLAGS.evaluators if name])
    if not FLAGS.run_dir:
        if not FLAGS.raw_pixels:
            raise UsageError("--run_dir is needed: the folder of a run that train.py made")
        if not FLAGS.dataset:
            raise UsageError("--raw_pixels needs --dataset, or the --run_dir of a run on it")
    elif not pathlib.Path(pretrained.resolve(FLAGS.run_dir)).expanduser().is_dir():
        raise UsageError(f"--run_dir={FLAGS.run_dir} is not a run folder: there is none")
    command.load_backend()  # only now: bad words are answered at once
    from acai_tf.evaluation.run import evaluate_run

    evaluate_run(
        FLAGS.run_dir,
        evaluators=names,
        data_dir=FLAGS.data_dir,
        cache_dir=FLAGS.cache_dir,
        dataset=FLAGS.dataset,
        n_init=FLAGS.n_init,
        seed=FLAGS.seed,
        raw_pixels=FLAGS.raw_pixels,
        out=FLAGS.out,
        again=FLAGS.again,
    )


if __name__ == "__main__":
    app.define_help_flags()
    sys.exit(command.run(main))
