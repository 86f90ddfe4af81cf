"""Screens in documents: what commands print, written into the pages that show it.

A page has a command between the comments ``screen:start COMMAND`` and ``screen:end``. Its commands run one after the other in one folder,
in which are the page's own programs, blocks that say ``title="name.py"``, and the files that the caller adds.
"""

import contextlib
import io
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from flake8_mongo_threads import cli

_SCREEN = re.compile(r"(?P<start><!-- screen:start (?P<command>.+?) -->\n).*?(?P<end><!-- screen:end -->)", re.DOTALL)
_PROGRAM = re.compile(r'^```python title="(?P<name>[^"]+)"\n(?P<text>.*?)^```$', re.DOTALL | re.MULTILINE)
_WIDTH = 110
"""Columns of the terminal that is shown."""


class Terminal(io.StringIO):
    """What a command writes to, for it a terminal."""

    def isatty(self) -> bool:
        """It looks like one."""
        return True


@contextlib.contextmanager
def surroundings(folder: Path) -> Iterator[None]:
    """In a folder, with a terminal of a certain width that has no colours."""
    before, environment = Path.cwd(), dict(os.environ)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        os.environ.pop(name, None)
    os.environ.update({"TERM": "dumb", "COLUMNS": str(_WIDTH), "LINES": "40"})
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        os.environ.clear()
        os.environ.update(environment)


def printed(command: str, folder: Path) -> str:
    """What a command prints in a folder: on a terminal, or in a pipe with ``| cat`` behind it. Raises ValueError when that is nothing."""
    words = command.split()
    piped = words[-2:] == ["|", "cat"]
    if words[0] != "mongo-threads":
        raise ValueError(f"{command!r} is not a command of this project")
    out: io.StringIO = io.StringIO() if piped else Terminal()
    with surroundings(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        cli.main([*words[1 : -2 if piped else None], "--isolated"])
    text = out.getvalue().strip("\n")
    if not text.strip() or "Traceback" in text:
        raise ValueError(f"{command!r} prints {text!r}")
    return "\n".join(line.rstrip() for line in text.split("\n"))


def with_screens(text: str, files: Mapping[str, Path]) -> str:
    """A page with its screens as its commands print them; ``files`` are there by their names. Raises ValueError.

    Where paths are written with another separator the page is left as it is.
    """
    if not _SCREEN.search(text):
        raise ValueError("the page shows no screen")
    if os.sep != "/":
        return text
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        # Which releases the folders around it ask for is nothing to the examples.
        (folder / ".git").mkdir()
        for file, source in files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, folder / file)
        for match in _PROGRAM.finditer(text):
            (folder / match["name"]).write_text(match["text"], encoding="utf-8")

        def shown(match: "re.Match[str]") -> str:
            output = printed(match["command"], folder)
            return f"{match['start']}\n```console\n$ {match['command']}\n{output}\n```\n\n{match['end']}"

        return _SCREEN.sub(shown, text)
