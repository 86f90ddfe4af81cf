"""Changes to a program that must not change the verdict on it. Each returns the new text and by how many lines it moved, or None."""

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Callable, Iterator

Result = tuple[str, int] | None

MODULE_LEVEL = {
    "MDB103/aws_lambda.py": "the platform calls a function of the module by its name",
    "MDB103/azure_main_and_powertools.py": "the platform calls a function of the module by its name",
    "MDB103/cloud_functions.py": "the platform calls a function of the module by its name",
    "MDB103/grpc_servicer.py": "the platform calls a function of the module by its name",
    "MDB103/lambda_class_built_in_handler.py": "the platform calls a function of the module by its name",
    "MDB103/lambda_handler_with_own_decorators.py": "the platform calls a function of the module by its name",
    "MDB103/lambda_helper.py": "the platform calls a function of the module by its name",
    "MDB103/plain_wsgi_and_asgi_apps.py": "the platform calls a function of the module by its name",
    "MDB103/sqs_lambda.py": "the platform calls a function of the module by its name",
    "MDB105/helper_in_loop.py": "the client of a module serves the whole process, the variable of a function one call",
    "MDB105/helpers.py": "the client of a module serves the whole process, the variable of a function one call",
    "MDB105/lambda_handler_closes_global.py": "the platform calls a function of the module by its name",
    "MDB201/stored_session.py": "a global of the module is shared by all handlers, a variable of a function is not",
    "MDB202/kept_on_service.py": "a global of the module is shared by all handlers, a variable of a function is not",
    "MDB206/pytest_fixtures.py": "a test runner runs the functions of a module and the methods of its classes, not those inside a function",
    "MDB301/module_level_cursor_iterated_by_handlers.py": "a global of the module is shared by all handlers, a variable of a function is not",
    "MDB402/": "what the import of a module opens is there before the fork, what a function opens is not known to be",
    "MDB505/lambda_handler.py": "the platform calls a function of the module by its name",
    "MDB505/one_client_for_all_tests.py": "a test runner runs the functions of a module and the methods of its classes, not those inside a function",
    "MDB602/client_of_a_class.py": "the client of a class that a function defines is made when the function runs, not at import",
}
"""Fixtures, or folders of them, that mean something else when they are the body of a function, and why."""


def only_as_module(name: str) -> str:
    """Why a fixture cannot be wrapped in a function or a method; empty when it can."""
    return MODULE_LEVEL.get(name, "") or MODULE_LEVEL.get(name.partition("/")[0] + "/", "")


RENAMED_MODULES = ("pymongo", "motor", "bson", "gridfs", "threading", "concurrent", "multiprocessing", "asyncio")


class Names(ast.NodeVisitor):
    """Who binds which name, and which names cannot be renamed by changing ``Name`` nodes alone."""

    def __init__(self, tree: ast.Module) -> None:
        self.bound: Counter[str] = Counter()
        self.assigned: set[str] = set()
        self.fixed: set[str] = set()
        self.words: set[str] = set()
        self.class_depth = 0
        self.visit(tree)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self.bound[node.id] += 1
            (self.fixed if self.class_depth else self.assigned).add(node.id)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.bind(node.name)
        self.class_depth += 1
        self.generic_visit(node)
        self.class_depth -= 1

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.bind(node.name)
        depth, self.class_depth = self.class_depth, 0
        self.generic_visit(node)
        self.class_depth = depth

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_arg(self, node: ast.arg) -> None:
        self.bind(node.arg)
        self.generic_visit(node)

    def visit_alias(self, node: ast.alias) -> None:
        self.bind((node.asname or node.name).partition(".")[0])

    def visit_Global(self, node: ast.Global | ast.Nonlocal) -> None:
        for name in node.names:
            self.bind(name)

    visit_Nonlocal = visit_Global

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self.bind(node.name)
        self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg:
            self.fixed.add(node.arg)
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        if node.name:
            self.bind(node.name)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.words.update(re.findall(r"\w+", node.value))

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring mentions what it likes
            self.generic_visit(node)

    def bind(self, name: str) -> None:
        self.bound[name] += 1
        self.fixed.add(name)


def replace(text: str, edits: dict[tuple[int, int], tuple[str, str]]) -> str | None:
    """Replace old by new text at (line, byte column). None when something else stands there (inside an f-string on old Pythons)."""
    lines = [line.encode() for line in text.split("\n")]
    for (line, column), (old, new) in sorted(edits.items(), reverse=True):
        row = lines[line - 1]
        if not row[column:].startswith(old.encode()):
            return None
        lines[line - 1] = row[:column] + new.encode() + row[column + len(old.encode()) :]
    return "\n".join(line.decode() for line in lines)


def uses(tree: ast.Module, names: dict[str, str]) -> dict[tuple[int, int], tuple[str, str]]:
    """Edits that give every ``Name`` its new identifier."""
    return {
        (node.lineno, node.col_offset): (node.id, names[node.id])
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id in names
    }


def renamable_imports(tree: ast.Module, names: Names) -> Iterator[ast.alias]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            aliases = [alias for alias in node.names if "." not in alias.name and alias.name in RENAMED_MODULES]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            aliases = list(node.names) if node.module.partition(".")[0] in RENAMED_MODULES else []
        else:
            continue
        for alias in aliases:
            if alias.asname is None and alias.name != "*" and names.bound[alias.name] == 1 and alias.name not in names.words:
                yield alias


def import_aliases(text: str) -> Result:
    """``import pymongo as pymongo_x``, ``from pymongo import MongoClient as MongoClient_x``."""
    tree = ast.parse(text)
    aliases = list(renamable_imports(tree, Names(tree)))
    names = {alias.name: f"{alias.name}_x" for alias in aliases}
    if not names:
        return None
    edits = uses(tree, names)
    edits.update({(alias.lineno, alias.col_offset): (alias.name, f"{alias.name} as {alias.name}_x") for alias in aliases})
    changed = replace(text, edits)
    return None if changed is None else (changed, 0)


def other_variables(text: str) -> Result:
    """Every variable that only assignments bind gets another name."""
    tree = ast.parse(text)
    found = Names(tree)
    names = {
        name: f"{name}_x"
        for name in found.assigned
        if name not in found.fixed and name not in found.words and not name.startswith("__") and name != "_"
    }
    if not names:
        return None
    changed = replace(text, uses(tree, names))
    return None if changed is None else (changed, 0)


def indented(text: str, by: str) -> str:
    """``text`` with every line indented that does not begin inside a string."""
    inside: set[int] = set()
    starts: list[int] = []
    opening = {getattr(tokenize, name) for name in ("FSTRING_START", "TSTRING_START") if hasattr(tokenize, name)}
    closing = {getattr(tokenize, name) for name in ("FSTRING_END", "TSTRING_END") if hasattr(tokenize, name)}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in opening:
            starts.append(token.start[0])
        elif token.type in closing:
            inside.update(range(starts.pop() + 1, token.end[0] + 1))
        elif token.type == tokenize.STRING:
            inside.update(range(token.start[0] + 1, token.end[0] + 1))
    lines = text.split("\n")
    return "\n".join(by + line if line.strip() and number not in inside else line for number, line in enumerate(lines, 1))


def wrappable(text: str) -> bool:
    """Whether a module's text means the same as the body of a function."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            return False
        if isinstance(node, ast.ImportFrom) and (node.module == "__future__" or any(alias.name == "*" for alias in node.names)):
            return False
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("globals", "locals", "vars"):
            return False
    return True


def in_block(text: str) -> Result:
    """The module inside ``if True:``."""
    tree = ast.parse(text)
    if any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body):
        return None
    return "if True:\n" + indented(text, "    "), 1


def in_function(text: str) -> Result:
    """The module as a function that is called once."""
    if not wrappable(text):
        return None
    return "def main_():\n" + indented(text, "    ").rstrip() + "\n\n\nmain_()\n", 1


def in_method(text: str) -> Result:
    """The module as a method of a class that is made once."""
    if not wrappable(text):
        return None
    return "class Main_:\n    def run_(self):\n" + indented(text, "        ").rstrip() + "\n\n\nMain_().run_()\n", 2


WRAPPING = (in_function, in_method)
"""The transforms that take the program away from the module's level."""

TRANSFORMS: tuple[Callable[[str], Result], ...] = (import_aliases, other_variables, in_block, *WRAPPING)
