"""TensorBoard's view of a run. Where it cannot be written, training continues without it."""

import math
import os
import pathlib
import time

import numpy as np


class TensorBoard:
    """Writes scalars and sheets into a folder; stops at its first failure, with a message.

    Args:
        folder: created at the first report.
    """

    def __init__(self, folder: pathlib.Path):
        self._folder = folder
        self._writer = None
        self._failed = False

    def write(self, step: int, record: dict[str, float], sheets: dict[str, np.ndarray]) -> None:
        """Write one report: the finite scalars, and images [H, W, C] uint8."""
        if self._failed:
            return
        try:
            self._write(step, record, sheets)
        except Exception as error:  # no failure here is worth a run
            self._failed = True
            print(f"TensorBoard cannot be written ({error}); the run continues without it")

    def _write(self, step, record, sheets):
        # Imported here, as it may be missing. Its SummaryWriter would wait forever for a thread
        # that has met a full disk.
        from tensorboardX import summary
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event

        if self._writer is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._writer = EventsWriter(str(self._folder / "events"), f".{os.getpid()}")
        summaries = [summary.scalar(name, x) for name, x in record.items() if math.isfinite(x)]
        summaries += [summary.image(name, x, dataformats="HWC") for name, x in sheets.items()]
        for one in summaries:
            self._writer.write_event(Event(summary=one, step=step, wall_time=time.time()))
        self._writer.flush()
