"""Nothing grows over a long run."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT

LONG = """
import gc, json, sys
import psutil
from acai_tf.config import Config
from acai_tf.training.run_folder import RunFolder

process, append, seen = psutil.Process(), RunFolder.append, []

def measure(self, record):  # at every report
    append(self, record)
    gc.collect()
    seen.append({
        "step": record["step"],
        "megabytes": process.memory_info().rss / 2**20,
        "objects": len(gc.get_objects()),
        "files": process.num_fds(),
        "threads": process.num_threads(),
    })

RunFolder.append = measure
from acai_tf.training.train import train

train(Config.from_dict(json.loads(sys.argv[1])))
print(json.dumps(seen))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kimg", "settings"),
    [(80, {}), (20, {"strategy": "mirrored", "logical_devices": 2})],
    ids=["one device", "two"],
)
def test_twenty_thousand_steps_take_no_more_memory_than_two_thousand(kimg, settings, configured):
    config = configured(
        depth=1,
        latent=1,
        image_size=16,
        latent_width=4,
        batch=4,
        report_kimg=2,
        total_kimg=kimg,
        **settings,
    )
    words = [sys.executable, "-c", LONG, json.dumps(config.to_dict())]
    result = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr[-3000:]
    seen = json.loads(result.stdout.splitlines()[-1])
    early, late = seen[3], seen[-1]
    print(early, late)
    assert (early["step"], late["step"]) == (2048, kimg * 256)
    assert late["megabytes"] < early["megabytes"] + 20
    assert late["objects"] < early["objects"] + 200
    assert late["files"] <= early["files"]
    assert late["threads"] <= early["threads"]
