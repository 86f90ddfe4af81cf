"""From one file to its findings: gate, module, facts, rules.

Deterministic and isolated: a rule that raises becomes MDB000 and the others go on; findings about one cause are reduced
to the most specific; the order is by position.
"""

import ast
import gc
import os
from collections.abc import Iterator

from flake8_mongo_threads import __version__
from flake8_mongo_threads.config import Config
from flake8_mongo_threads.findings import Finding, Span
from flake8_mongo_threads.rules import PRECEDENCE, load
from flake8_mongo_threads.semantics import modules
from flake8_mongo_threads.semantics.module import Module, Project
from flake8_mongo_threads.source import Source

INTERNAL_ERROR = "MDB000"
_DEFAULT = Config()

_STORES = ("request.app", "current_app", "app.state", "request.state", "flask.g", "import g", ", g", "self.bot", "self.application")
_FRAMEWORKS = frozenset(("fastapi", "starlette", "flask", "aiohttp", "sanic", "quart", "tornado", "discord", "litestar"))


def gate(lines: list[str], filename: str, config: Config = _DEFAULT) -> bool:
    """Whether a file can matter: it names a driver, or imports a first-party module that does.

    Files without any of this cost a few substring searches and look-ups of files, kept for the run.
    """
    modules.freshen()
    text = "".join(lines)
    location = os.path.abspath(filename)
    parsed = modules.of_text(location, text)
    if parsed.driver or modules.calls_like_driver(text) or any(factory.name in text for factory in config.factories):
        return True
    stores = not parsed.packages.isdisjoint(_FRAMEWORKS) and any(store in text for store in _STORES)
    if not stores and not parsed.imports:
        return False
    roots = modules.roots_of(location, config.src)
    if modules.leads_to_driver(parsed, roots.paths):
        return True
    return stores and _near_driver(os.path.dirname(location), roots.paths)


def _near_driver(folder: str, roots: tuple[str, ...]) -> bool:
    """Whether a module in a file's folder, or the two above in the project, names a driver: it may fill the application's stores."""
    looked = 0
    for _ in range(3):
        if not modules.inside(folder, roots):
            return False
        try:
            names = sorted(n for n in os.listdir(folder) if n.endswith(".py"))
        except OSError:
            return False
        for name in names[:40]:
            looked += 1
            if looked > 60:
                return False
            parsed = modules.read(os.path.join(folder, name))
            if parsed is not None and parsed.driver:
                return True
        if any(os.path.exists(os.path.join(folder, mark)) for mark in ("pyproject.toml", "setup.py", ".git", "requirements.txt")):
            return False
        folder = os.path.dirname(folder)
    return False


def build(source: Source, tree: ast.Module, config: Config) -> Module:
    """The model of one file, for tools that look at kinds and facts themselves."""
    return Project(config).root(source, tree)


def analyse(source: Source, tree: ast.Module, config: Config) -> list[Finding]:
    """The findings of one file, sorted; opt-in rules only where the configuration asks for them. ``# noqa`` is not applied."""
    # The analysis makes many small objects that live until it ends: looking for garbage among them is a fifth of its time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _analyse(source, tree, config)
    finally:
        if collecting:
            gc.enable()


def _analyse(source: Source, tree: ast.Module, config: Config) -> list[Finding]:
    try:
        module = build(source, tree, config)
    except (RecursionError, MemoryError) as error:
        return [internal_error(source.path, Span(1, 0, 1, 0), "the model", error)]
    try:
        return reduce(list(_findings(source, module, config)))
    finally:
        module.project.release()


def _findings(source: Source, module: Module, config: Config) -> Iterator[Finding]:
    for rule in load():
        if not config.wants(rule.code, rule.default):
            continue
        for fact_type, check in rule.checks:
            try:
                facts: list[object] = module.facts(fact_type)
                for fact in facts:
                    yield from check(module, fact)
            except Exception as error:
                yield internal_error(source.path, Span(1, 0, 1, 0), rule.code, error)
                break


def internal_error(path: str, span: Span, where: str, error: BaseException) -> Finding:
    """The finding that stands for a failure of the linter itself."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return Finding(
        INTERNAL_ERROR, path, span, f"internal error in {where}: {reason} (flake8-mongo-threads {__version__}: please report it)"
    )


def reduce(findings: list[Finding]) -> list[Finding]:
    """One cause, one finding: of those that share a cause the most specific stays; duplicates go; sorted by position."""
    best: dict[str, Finding] = {}
    kept: list[Finding] = []
    for finding in findings:
        if not finding.cause:
            kept.append(finding)
            continue
        rival = best.get(finding.cause)
        if rival is None or _rank(finding.code) < _rank(rival.code):
            best[finding.cause] = finding
    kept.extend(best.values())
    unique: dict[tuple[str, Span], Finding] = {}
    for finding in sorted(kept, key=lambda f: f.sort_key):
        unique.setdefault((finding.code, finding.span), finding)
    return list(unique.values())


def _rank(code: str) -> int:
    return PRECEDENCE.index(code) if code in PRECEDENCE else len(PRECEDENCE)


def check_text(path: str, text: str, config: Config = _DEFAULT) -> list[Finding]:
    """The findings of a program given as text. Raises SyntaxError when it is not valid Python."""
    source = Source.from_text(path, text)
    tree = ast.parse(source.text)
    if not gate(source.lines, source.location, config):
        return []
    return analyse(source, tree, config)
