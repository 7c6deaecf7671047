"""Evaluate a run: python evaluate.py --run_dir=runs/...; the same as `acai-tf evaluate`."""

import sys

from acai_tf.training import preemption

if __name__ == "__main__":
    preemption.end_at_once()  # a signal during the imports ends the process cleanly
    from acai_tf import cli
    from acai_tf.tools import evaluate

    sys.exit(cli.run(evaluate.main))
