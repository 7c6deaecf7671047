"""Shows the code under `Example:` in docstrings as code."""

import re
import textwrap

import griffe


class CodeExamples(griffe.Extension):
    def on_object(self, *, obj, **_):
        if obj.docstring:
            obj.docstring.value = re.sub(
                r"(?m)^Example:\n((?: {4}.*\n?|\n)+)", fenced, obj.docstring.value
            )


def fenced(found: re.Match) -> str:
    code = textwrap.dedent(found[1]).strip()
    return textwrap.indent(f"Example:\n```python\n{code}\n```\n", "    ").lstrip()
