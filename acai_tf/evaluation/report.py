"""One self-contained HTML page of an evaluation."""

import base64
import inspect
import math
import pathlib
import sys
import types
from typing import TYPE_CHECKING

import jinja2

import acai_tf
from acai_tf.evaluation import EVALUATORS, load_evaluator
from acai_tf.files import write_atomically

if TYPE_CHECKING:
    from acai_tf.evaluation.results import Results

TEMPLATE = pathlib.Path(__file__).with_name("report.html.jinja")
HEADLINES = (
    *("line_distance", "line_smoothness", "probe_accuracy", "linear_accuracy_100"),
    *("clustering_accuracy", "neighbours_accuracy", "realism", "test_rmse", "test_ssim"),
)
_BETTER = {"higher": "higher is better", "lower": "lower is better", "": ""}


def write(results: "Results", class_names: tuple[str, ...]) -> pathlib.Path:
    """Write report.html of what has been measured; it needs no other file, and no network.

    Args:
        results: what was measured, and drawn.
        class_names: of the dataset.

    Returns:
        Its path.
    """
    scores = results.scores()
    template = jinja2.Environment(autoescape=True).from_string(TEMPLATE.read_text("utf-8"))
    page = template.render(
        about=results.about,
        headlines={name: number(scores[name]) for name in HEADLINES if name in scores},
        sections=[
            _section(name, results, scores)
            for name in dict.fromkeys([*EVALUATORS, *results.evaluators])
            if name in results.evaluators
        ],
        class_names=class_names,
        version=acai_tf.__version__,
    )
    path = results.folder / "report.html"
    write_atomically(path, page)
    return path


def _section(name: str, results: "Results", scores: dict[str, float]) -> dict:
    """What the page shows of one evaluator."""
    entry = results.evaluators[name]
    # A module that eval.json names is not imported for that.
    unknown = sys.modules.get(name, types.ModuleType(name, ""))
    evaluator = load_evaluator(name) if name in EVALUATORS else unknown
    described = getattr(evaluator, "SCORES", {})
    rows = []
    for score in entry.get("scores", {}):
        what, better = described.get(score, ("", ""))
        floor = scores.get(f"pixels_{score}")
        rows.append(
            {
                "name": score,
                "value": number(scores[score]),
                "what": what,
                "better": _BETTER[better],
                "floor": "" if floor is None else number(floor),
            }
        )
    protocol = _protocol(evaluator)
    return {
        "name": name,
        "title": inspect.getdoc(evaluator) or "",
        "protocol": protocol.partition("\n\nArgs:")[0].partition("\n\nReturns:")[0],
        "left_out": entry.get("left_out"),
        "seconds": entry.get("seconds"),
        "rows": rows,
        "floors": any(row["floor"] for row in rows),
        "figures": {
            title: _embedded(results.figure(title))
            for title in entry.get("figures", [])
            if results.figure(title).is_file()  # someone may have taken it away
        },
    }


def _protocol(evaluator) -> str:
    functions = (getattr(evaluator, name, None) for name in ("evaluate", "draw"))
    return next((inspect.getdoc(function) or "" for function in functions if function), "")


def number(value: float) -> str:
    """As a person reads it."""
    return f"{value:.4g}" if math.isfinite(value) else "undefined"


def _embedded(path: pathlib.Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
