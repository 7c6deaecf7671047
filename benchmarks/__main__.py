"""python -m benchmarks train|fit|data|lines|export

train       steps of the models at the published sizes: ours, straightforward, PyTorch's; what they
            reach of the rate of a large matrix product; memory
fit         `fit` with input and callbacks, against the bare step
data        images from memory and from a file; whether `fit` waits for them
lines       drawing lines
export      an exported model, against the one in memory

Rivals take turns, and what counts is the median of the ratios of their turns, so that a machine
busy with other things does not decide. Those of `train` have a process each: TensorFlow and
PyTorch's Triton cannot be loaded into the same one.
"""

import importlib
import os

from acai_tf import cli
from acai_tf.errors import UsageError
from acai_tf.models import refuse_unread

BENCHMARKS = {
    "train": "benchmarks.train:train",
    "fit": "benchmarks.train:fit",
    "data": "benchmarks.data:data",
    "lines": "benchmarks.data:lines",
    "export": "benchmarks.export:export",
}


def main() -> None:
    parser = cli.Parser("benchmarks", __doc__)
    parser.add_argument("name", choices=BENCHMARKS)
    parser.add_argument("--model", default="acai", help="a model, or all of them (train)")
    parser.add_argument("--size", default="all", choices=("all", "lines", "mnist", "svhn"))
    parser.add_argument("--dtype_policy", default="float32", help="or mixed_bfloat16")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each rival")
    parser.add_argument("--steps", type=int, default=24, help="steps a turn (svhn: an eighth)")
    parser.add_argument("--matmul", type=int, default=2048, help="train: rows of the large matrix")
    parser.add_argument("--images", type=int, default=200_000, help="data: how many are in memory")
    parser.add_argument("--json", default="", metavar="FILE", help="write the table there too")
    arguments = parser.parse_args()
    least = {"rounds": 1, "steps": 1, "matmul": 1, "images": 64}
    for name, number in least.items():
        if getattr(arguments, name) < number:
            raise UsageError(f"--{name} must be at least {number}, got {getattr(arguments, name)}")
    if arguments.model != "all":
        refuse_unread(arguments.model, set())
    if arguments.json:
        try:
            open(arguments.json, "a").close()  # now, not after all is measured
        except OSError as error:
            raise UsageError(f"cannot write --json={arguments.json} ({error.strerror})") from error
    for name, value in cli.SHARED_GPU.items():
        os.environ.setdefault(name, value)
    cli.load_backend()
    module, function = BENCHMARKS[arguments.name].split(":")
    from benchmarks import timing

    rows = getattr(importlib.import_module(module), function)(arguments)
    print(timing.table(rows))
    if arguments.json:
        timing.save(arguments.json, arguments.name, rows)


if __name__ == "__main__":
    raise SystemExit(cli.run(main))
