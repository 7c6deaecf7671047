"""python -m acai_tf <command>: the same as `acai-tf <command>`."""

import sys

from acai_tf.training import preemption


def main() -> int:
    """Run the command that the command line names; returns the exit status."""
    preemption.end_at_once()  # a signal during the imports ends the process cleanly
    from acai_tf import cli

    return cli.run(cli.command)


if __name__ == "__main__":
    sys.exit(main())
