"""Code that does not stand in Python files: blocks of Markdown and reStructuredText, docstrings.

``kind_of`` tells by a file's name what it is; ``pages`` makes programs of a page, each with the page's own line numbers.
"""

import os

MARKDOWN, RESTRUCTUREDTEXT, NOTEBOOK = "markdown", "restructuredtext", "notebook"

SUFFIXES = {
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".mdown": MARKDOWN,
    ".mkd": MARKDOWN,
    ".mdx": MARKDOWN,
    ".qmd": MARKDOWN,
    ".rmd": MARKDOWN,
    ".rst": RESTRUCTUREDTEXT,
    ".rest": RESTRUCTUREDTEXT,
    ".ipynb": NOTEBOOK,
}
"""What a file is, by the end of its name; all others are Python."""


def kind_of(path: str) -> str:
    """``markdown``, ``restructuredtext``, ``notebook``, or nothing for a Python file."""
    return SUFFIXES.get(os.path.splitext(path)[1].lower(), "")
