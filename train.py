"""Train an autoencoder: python train.py --dataset=svhn

Every dataset has the settings of its published runs; flags given here win. Without --dataset,
configs/quickstart.cfg trains a small ACAI on synthetic lines in a few minutes. At its end a run is
exported as a SavedModel.
"""

import pathlib
import sys

from acai_tf import signals

if __name__ == "__main__":
    signals.end_at_once()  # during the imports too

from absl import app, flags

import acai_tf.flags
from acai_tf import command

QUICKSTART = pathlib.Path(__file__).resolve().parent / "configs" / "quickstart.cfg"

acai_tf.flags.define(flags.FLAGS)
flags.adopt_module_key_flags(acai_tf.flags)


def main() -> None:
    config = acai_tf.flags.parse(sys.argv, flags.FLAGS, QUICKSTART)
    # Only now: --help and a mistyped flag are answered at once.
    command.load_backend(config)
    from acai_tf.training import train

    train(config)


if __name__ == "__main__":
    app.define_help_flags()
    sys.exit(command.run(main))
