"""From one file to its findings: gate, module, facts, rules.

Deterministic and isolated: a rule that raises becomes MDB000 and the others go on; findings about one cause are reduced
to the most specific; the order is by position.
"""

import ast
import os
import time

from flake8_mongo_threads import __version__
from flake8_mongo_threads.config import Config
from flake8_mongo_threads.findings import Finding, Span
from flake8_mongo_threads.rules import PRECEDENCE, load
from flake8_mongo_threads.semantics import modules
from flake8_mongo_threads.semantics.module import Module, Project
from flake8_mongo_threads.source import Source

INTERNAL_ERROR = "MDB000"

MARKS = (
    "pymongo",
    "motor",
    "bson",
    "gridfs",
    "mongoengine",
    "flask_pymongo",
    "beanie",
    "pymodm",
    "quart_motor",
    "odmantic",
    "umongo",
)
"""Names whose presence in a file's text makes it relevant: the drivers and the wrappers that hand out their objects."""

_STORES = ("request.app", "current_app", ".app.state", "app.state", ".state.", "flask", "self.bot", "self.application")
_TELLING = (".find_one(", ".insert_one(", ".update_one(", ".insert_many(", ".update_many(", ".delete_one(", ".delete_many(", ".count_documents(", ".replace_one(", ".find_one_and_", ".bulk_write(")
_FRAMEWORKS = ("fastapi", "starlette", "flask", "aiohttp", "sanic", "quart", "tornado", "discord", "litestar")

_relevant: dict[str, tuple[float, tuple[int, int], bool]] = {}
_FRESH_SECONDS = 1.0


def gate(tree: ast.Module, lines: list[str], filename: str, config: Config = Config()) -> bool:  # noqa: B008 - immutable
    """Whether a file can matter: it names a driver, or imports a first-party module that does.

    Files without any of this cost a substring search and a few look-ups of files.
    """
    text = "".join(lines)
    if any(mark in text for mark in MARKS) or any(name in text for name in _TELLING) or any(factory.name in text for factory in config.factories):
        return True
    imports = [i for i in _imports(tree, text) if i[1] or i[0].partition(".")[0] not in modules.EXTERNAL_ROOTS]
    if not imports and not any(store in text for store in _STORES):
        return False
    location = os.path.abspath(filename)
    roots = modules.roots_of(location, config.src)
    budget = [modules.MAX_MODULES]
    for name, level, names in imports:
        if _leads_to_driver(location, roots.paths, name, level, names, 1, budget, set()):
            return True
    return bool(any(f in text for f in _FRAMEWORKS) and any(store in text for store in _STORES) and _near_driver(location))


def _imports(tree: ast.Module, text: str) -> list[tuple[str, int, tuple[str, ...]]]:
    found: list[tuple[str, int, tuple[str, ...]]] = []
    nested = "    from " in text or "    import " in text or "\tfrom " in text or "\timport " in text
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            found.extend((alias.name, 0, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.append((node.module or "", node.level, tuple(alias.name for alias in node.names)))
        elif nested and isinstance(node, ast.stmt) and not isinstance(node, (ast.Expr, ast.Assign, ast.AugAssign, ast.Return, ast.Raise)):
            for field in ("body", "orelse", "finalbody", "handlers", "cases"):
                for child in getattr(node, field, ()):
                    if isinstance(child, (ast.stmt, ast.excepthandler, ast.match_case)):
                        if isinstance(child, ast.stmt):
                            pending.append(child)
                        else:
                            pending.extend(child.body)
    return found


def _leads_to_driver(
    location: str, roots: tuple[str, ...], name: str, level: int, names: tuple[str, ...], depth: int, budget: list[int], seen: set[str]
) -> bool:
    if level == 0 and name.partition(".")[0] in modules.EXTERNAL_ROOTS:
        return False
    for candidate in (name, *(f"{name}.{n}" if name else n for n in names[:8] if n != "*")):
        path = modules.resolve_path(location, roots, candidate, level)
        if not path or path in seen or path == location:
            continue
        seen.add(path)
        if _mentions_driver(path, roots, depth, budget, seen):
            return True
    return False


def _mentions_driver(path: str, roots: tuple[str, ...], depth: int, budget: list[int], seen: set[str]) -> bool:
    now = time.monotonic()
    known = _relevant.get(path)
    if known is not None and now - known[0] < _FRESH_SECONDS:
        return known[2]
    if budget[0] <= 0:
        return False
    budget[0] -= 1
    parsed = modules.read(path)
    if parsed is None:
        return False
    stamp = (len(parsed.text), hash(parsed.text))
    if known is not None and known[1] == stamp and known[2]:
        _relevant[path] = (now, stamp, True)
        return True
    result = any(mark in parsed.text for mark in MARKS)
    if not result and depth < modules.MAX_DEPTH and ("import" in parsed.text):
        for name, level, names in modules.text_imports(parsed):
            if _leads_to_driver(path, roots, name, level, names, depth + 1, budget, seen):
                result = True
                break
    _relevant[path] = (now, stamp, result)
    return result


def _near_driver(location: str) -> bool:
    """Whether a module in the folder of the file, or the one above, names a driver: it may fill the application's stores."""
    folder = os.path.dirname(location)
    looked = 0
    for _ in range(3):
        try:
            names = sorted(n for n in os.listdir(folder) if n.endswith(".py"))
        except OSError:
            return False
        for name in names[:40]:
            looked += 1
            if looked > 60:
                return False
            parsed = modules.read(os.path.join(folder, name))
            if parsed is not None and any(mark in parsed.text for mark in MARKS[:3]):
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
    try:
        module = build(source, tree, config)
    except (RecursionError, MemoryError) as error:
        return [internal_error(source.path, Span(1, 0, 1, 0), "the model", error)]
    findings: list[Finding] = []
    for rule in load():
        if not config.wants(rule.code, rule.default):
            continue
        for fact_type, check in rule.checks:
            try:
                for fact in module.facts(fact_type):
                    findings.extend(check(module, fact))
            except Exception as error:  # noqa: BLE001 - a rule must not take the others down
                findings.append(internal_error(source.path, Span(1, 0, 1, 0), rule.code, error))
                break
    return reduce(findings)


def internal_error(path: str, span: Span, where: str, error: BaseException) -> Finding:
    """The finding that stands for a failure of the linter itself."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return Finding(INTERNAL_ERROR, path, span, f"internal error in {where}: {reason} (flake8-mongo-threads {__version__}: please report it)")


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


def check_text(path: str, text: str, config: Config = Config()) -> list[Finding]:  # noqa: B008 - immutable
    """The findings of a program given as text. Raises SyntaxError when it is not valid Python."""
    source = Source.from_text(path, text)
    tree = ast.parse(source.text)
    if not gate(tree, source.lines, source.location, config):
        return []
    return analyse(source, tree, config)
