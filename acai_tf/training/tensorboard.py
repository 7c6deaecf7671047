"""What TensorBoard shows of a run. It is a convenience: where it fails, training goes on."""

import math
import os
import pathlib
import time

import numpy as np


class TensorBoard:
    """Writes scalars and sheets into a folder; at its first failure it says so and gives up.

    Args:
        folder: made at the first report.
    """

    def __init__(self, folder: pathlib.Path):
        self._folder = folder
        self._writer = None
        self._works = True

    def write(self, step: int, record: dict[str, float], sheets: dict[str, np.ndarray]) -> None:
        """Write one report: finite scalars, and images [H, W, C] uint8."""
        if not self._works:
            return
        try:
            self._write(step, record, sheets)
        except Exception as error:  # whatever it is, it is not worth a run
            self._works = False
            print(f"TensorBoard cannot be written ({error}); the run goes on without")

    def _write(self, step, record, sheets):
        # Not its SummaryWriter: that writes in a thread, and waits for ever once the thread has
        # met a full disk.
        from tensorboardX import summary
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event

        if self._writer is None or not self._folder.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._writer = EventsWriter(str(self._folder / "events"), f".{os.getpid()}")
        shown = [
            # The smoothness of no line at all is not finite.
            *(summary.scalar(name, x) for name, x in record.items() if math.isfinite(x)),
            *(summary.image(name, sheet, dataformats="HWC") for name, sheet in sheets.items()),
        ]
        for one in shown:
            self._writer.write_event(Event(summary=one, step=step, wall_time=time.time()))
        self._writer.flush()

    def close(self) -> None:
        if self._writer and self._works:
            self._writer.close()
        self._writer = None
