"""TensorBoard's view of a run."""

import math
import os
import pathlib
import time

import numpy as np
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event


class TensorBoard:
    """Writes scalars and sheets into a folder, which is created at the first report.

    tensorboardX's SummaryWriter is not used: it hangs when its thread meets a full disk.
    """

    def __init__(self, folder: pathlib.Path):
        self._folder = folder
        self._writer = None

    def write(
        self, step: int, record: dict[str, float], sheets: dict[str, np.ndarray | str]
    ) -> None:
        """Write one report: the finite scalars, and images [H, W, C] uint8 or texts; raises
        OSError."""
        if self._writer is None:
            self._folder.mkdir(exist_ok=True)
            self._writer = EventsWriter(str(self._folder / "events"), f".{os.getpid()}")
        summaries = [summary.scalar(name, x) for name, x in record.items() if math.isfinite(x)]
        for name, sheet in sheets.items():
            if isinstance(sheet, str):
                indented = "".join(f"    {line}\n" for line in sheet.splitlines())  # as it is
                summaries.append(summary.text(name, indented))
            else:
                summaries.append(summary.image(name, sheet, dataformats="HWC"))
        for one in summaries:
            self._writer.write_event(Event(summary=one, step=step, wall_time=time.time()))
        self._writer.flush()
