"""Evaluate a finished or running run: python evaluate.py --run_dir=runs/...

Prints a table and writes eval.json into the run folder.
"""

import sys

from absl import app, flags

import acai_tf.flags
from acai_tf import command
from acai_tf.errors import UsageError
from acai_tf.evaluation import EVALUATORS

FLAGS = flags.FLAGS
flags.DEFINE_string("run_dir", None, "Run folder to evaluate.")
flags.DEFINE_list("evaluators", list(EVALUATORS), "Which evaluators to run.")
flags.DEFINE_string("data_dir", None, "Where tfds keeps its data; default: as in training.")
flags.DEFINE_string("cache_dir", None, "Where decoded images are kept; default: as in training.")
flags.DEFINE_string("dataset", None, "Dataset to evaluate on; default: as in training.")
flags.DEFINE_integer("n_init", 1000, "Clustering: restarts of k-means.", lower_bound=1)
flags.DEFINE_integer("seed", 0, "Seed of the evaluation.", lower_bound=0, upper_bound=2**32 - 1)


def main() -> None:
    acai_tf.flags.read(FLAGS, sys.argv)
    if not FLAGS.run_dir:
        raise UsageError("--run_dir is needed: the folder of a run that train.py made")
    command.load_backend()
    from acai_tf.evaluation.run import evaluate_run

    evaluate_run(
        FLAGS.run_dir,
        evaluators=FLAGS.evaluators,
        data_dir=FLAGS.data_dir,
        cache_dir=FLAGS.cache_dir,
        dataset=FLAGS.dataset,
        n_init=FLAGS.n_init,
        seed=FLAGS.seed,
    )


if __name__ == "__main__":
    app.define_help_flags()
    sys.exit(command.run(main))
