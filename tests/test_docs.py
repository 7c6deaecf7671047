"""The documentation holds: its Python runs, its links lead somewhere, the notebook runs."""

import json
import re

import keras
import pytest

import acai_tf
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NOTEBOOK = ROOT / "examples/interpolate.ipynb"


def blocks(page, slow: bool) -> list[str]:
    """A page's Python, in order; without `slow` those blocks that <!-- slow --> precedes are left
    out."""
    found = re.findall(r"(<!-- slow -->\n)?```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    return [code for mark, code in found if slow or not mark]


def run(codes: list[str], page, kimg: int = 1) -> dict:
    names = {"__name__": "docs"}
    for code in codes:
        shorter = re.sub(r"kimg=\d+", f"kimg={kimg}", code)
        exec(compile(shorter, page.name, "exec"), names)
    return names


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch, without_sheets):
    """Runs are not written into the repository, and names registered by a page do not stay."""
    from acai_tf.models import REGULARIZERS

    monkeypatch.chdir(tmp_path)
    registered = dict(REGULARIZERS)
    yield
    REGULARIZERS.clear()
    REGULARIZERS.update(registered)


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, slow=False)], ids=lambda p: p.stem)
def test_python_runs(page):
    names = run(blocks(page, slow=False), page, kimg=4 if page.stem == "scikit-learn" else 1)
    if page.stem == "README":
        assert names["path"].shape == (5, 4, 16, 16, 1)
        assert names["codes"].shape == (16, 2, 2, 16)
    if page.stem == "training":
        assert names["path"].shape == (16, 8, 32, 32, 1)
        assert names["z"].shape == (8, 4, 4, 2)
    if page.stem == "models":
        assert names["logs"]["loss_small"]
    if page.stem == "scikit-learn":
        assert names["pipe"].score(names["X"][1400:], names["y"][1400:]) > 0.5


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="one block is TensorFlow's")
@pytest.mark.parametrize("page", [p for p in PAGES if "<!-- slow -->" in p.read_text("utf-8")])
def test_slow_python_runs(page):
    names = run(blocks(page, slow=True), page, kimg=4)
    if page.stem == "evaluation":
        assert names["scores"]["linear_accuracy_100"] > 0.5
    if page.stem == "export":
        assert names["probe"].score(names["codes_of"](names["images"]), names["y"]) > 0.7


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda p: p.stem)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!http)([^)#]+)[^)]*\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_the_readme_is_short_and_has_the_lines_that_ci_runs():
    readme = (ROOT / "README.md").read_text("utf-8")
    assert len(readme.splitlines()) <= 150
    for name, last in (("train", "train.py"), ("test", "-m pytest")):
        (line,) = re.findall(rf"<!-- install and {name} -->\n```sh\n(.*)\n```", readme)
        create, install, command = line.split(" && ")
        assert "venv" in create
        assert "pip install" in install
        assert command.endswith(last)


def test_the_reference_has_every_public_name():
    pages = "".join(p.read_text("utf-8") for p in (ROOT / "docs/api").glob("*.md"))
    assert set(re.findall(r"^::: acai_tf\.(\w+)$", pages, re.MULTILINE)) == set(acai_tf.__all__)


def test_every_command_and_page_is_listed():
    from acai_tf.cli import COMMANDS

    listed = (ROOT / "docs/commands.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", listed, re.MULTILINE)) == set(COMMANDS)
    nav = (ROOT / "mkdocs.yml").read_text("utf-8")
    assert all(f": {page.name}\n" in nav for page in PAGES[1:])


def test_the_notebook_is_shown_with_its_output():
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 5
    assert not any(output["output_type"] == "error" for output in outputs)


@pytest.mark.slow
def test_the_notebook_runs(tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute(cwd=str(tmp_path))
