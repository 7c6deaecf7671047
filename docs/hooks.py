"""Files outside docs/ that the pages link to are part of the site too.

On GitHub a page in docs/ links to ../results/README.md. Here that file is results/README.md.
"""

import pathlib
import re

from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).parent.parent
OUTSIDE = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "acai_tf/pretrained/*/*/README.md",
    "acai_tf/pretrained/*/*/*.png",
    "examples/*.*",
    "results/*.*",
    "results/*/*.png",
)


def on_files(files, config):
    for pattern in OUTSIDE:
        for path in ROOT.glob(pattern):
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown, page, **_):
    if (ROOT / "docs" / page.file.src_uri).parent == ROOT / "docs":
        return re.sub(r"\]\(\.\./", "](", markdown)
    return markdown
