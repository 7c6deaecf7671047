"""One self-contained HTML page of an evaluation."""

import base64
import inspect
import pathlib
import re
import sys
import types

import jinja2

import acai_tf
from acai_tf.evaluation import EVALUATORS, all_scores, format_score, load_evaluator, title
from acai_tf.evaluation.results import Results
from acai_tf.files import write_atomically

TEMPLATE = pathlib.Path(__file__).with_name("report.html.jinja")
HEADLINES = (
    *("line_distance", "line_smoothness", "probe_accuracy", "linear_accuracy_100"),
    *("clustering_accuracy", "neighbours_accuracy", "realism", "fitted_fd"),
    *("test_rmse", "test_ssim"),
)
BASELINES = {"pixels": "raw pixels", "untrained": "untrained"}  # prefix of their scores: column


def write(results: Results, class_names: tuple[str, ...]) -> pathlib.Path:
    """Write report.html of all results, figures included, and return its path."""
    scores, known = results.scores(), all_scores()
    shown = {known[score][0]: scores[score] for score in HEADLINES if score in scores}
    names = [name for name in EVALUATORS if name in results.evaluators]
    names += [name for name in results.evaluators if name not in EVALUATORS]
    template = jinja2.Environment(autoescape=True).from_string(TEMPLATE.read_text("utf-8"))
    page = template.render(
        about=results.about,
        headlines={name: format_score(value, name) for name, value in shown.items()},
        sections=[_section(name, results, scores) for name in names],
        class_names=class_names,
        version=acai_tf.__version__,
    )
    path = results.folder / "report.html"
    write_atomically(path, page)
    return path


def _section(name: str, results: Results, scores: dict[str, float]) -> dict:
    """What the page shows of one evaluator."""
    entry = results.evaluators[name]
    # A module that eval.json names is code: it is not imported for that.
    unknown = sys.modules.get(name, types.ModuleType(name, ""))
    evaluator = load_evaluator(name) if name in EVALUATORS else unknown
    own, known, rows = entry.get("scores", {}), getattr(evaluator, "SCORES", {}), []
    prefixes = [p for p in BASELINES if any(f"{p}_{score}" in scores for score in own)]
    for score in own:
        shown, better = known.get(score, (score, ""))
        values = [scores.get(name) for name in (score, *(f"{p}_{score}" for p in prefixes))]
        values = ["" if value is None else format_score(value, shown) for value in values]
        rows.append((shown, values, better, score))
    parts = (getattr(evaluator, part, None) for part in ("evaluate", "draw", "write"))
    protocol = next(filter(None, parts), None)
    figures = {figure: results.figure(figure) for figure in entry.get("figures", [])}
    return {
        "name": name,
        "title": title(evaluator),
        "protocol": re.split(r"\n\n(?:Args|Returns|Raises):", inspect.getdoc(protocol) or "")[0],
        "left_out": entry.get("left_out"),
        "seconds": entry.get("seconds"),
        "rows": rows,
        "texts": entry.get("texts", {}),
        "columns": ["value", *(BASELINES[p] for p in prefixes)],
        "figures": {figure: _embedded(file) for figure, file in figures.items() if file.is_file()},
    }


def _embedded(path: pathlib.Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
