"""Train an autoencoder: python train.py --dataset=svhn

Settings come from configs/<dataset>.cfg; flags given here win. Without --dataset,
configs/quickstart.cfg trains a small ACAI on synthetic lines in a few minutes.
"""

import pathlib
import sys

from absl import app, flags

import acai_tf.flags
from acai_tf import command

CONFIGS = pathlib.Path(__file__).resolve().parent / "configs"

acai_tf.flags.define(flags.FLAGS)
flags.adopt_module_key_flags(acai_tf.flags)


def main() -> None:
    config = acai_tf.flags.parse(sys.argv, CONFIGS, flags.FLAGS)
    command.load_backend()  # only now: --help and a mistyped flag are answered at once
    from acai_tf.training import train

    train(config)


if __name__ == "__main__":
    app.define_help_flags()
    sys.exit(command.run(main))
