"""What the arguments of removed methods certainly are: one document, a filter that counts, an expression that is the same later."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Applicability
from flake8_mongo_threads.semantics.scopes import Binding
from flake8_mongo_threads.semantics.syntax import FUNCTIONS, LOOPS, WITHS, constant, has_star, last_name, names_in, path_key, walk
from flake8_mongo_threads.semantics.values import Driver, External, Mapping, Sequence, known

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

_NO_COUNT = frozenset(("$where", "$near", "$nearSphere"))
"""Operators that ``count`` took and ``count_documents`` refuses."""
_PLAIN = ("bson.", "datetime.", "uuid.", "re.compile", "builtins.str", "builtins.int", "builtins.float", "builtins.bool")
"""What makes a value and never a dictionary of operators."""


def document(module: "Module", node: ast.expr) -> Applicability | None:
    """How far it is proven that an argument is one document: safe where it is written out, unsafe where what the program does with it
    shows it. None when it could be a list."""
    values = known(module.values(node))
    if isinstance(node, ast.Dict) or (len(values) == 1 and isinstance(values[0], Mapping)):
        return Applicability.SAFE
    told = of_collection(module, node) is not None or _declared(module, node) or _has_keys(module, node)
    return Applicability.UNSAFE if told else None


def _declared(module: "Module", node: ast.expr) -> bool:
    """Whether a parameter is annotated as a mapping."""
    if not isinstance(node, ast.Name):
        return False
    scope = module.index.scope(node).function
    bindings = module.index.reaching(scope, node.id, node) if scope.binder(node.id) is scope else []
    if len(bindings) != 1 or bindings[0].how != "param":
        return False
    annotation = next((each.annotation for each in scope.params if each.arg == node.id), None)
    return annotation is not None and last_name(annotation.value if isinstance(annotation, ast.Subscript) else annotation) in _MAPPINGS


_MAPPINGS = frozenset(("dict", "Dict", "Mapping", "MutableMapping", "OrderedDict", "SON"))


def documents(module: "Module", node: ast.expr) -> bool:
    """Whether an argument is certainly a list."""
    values = known(module.values(node))
    return isinstance(node, (ast.List, ast.Tuple, ast.ListComp)) or (len(values) == 1 and isinstance(values[0], Sequence))


def of_collection(module: "Module", node: ast.expr) -> Driver | None:
    """The document that a query of the synchronous driver gave, when an argument is that and nothing else."""
    values = known(module.values(node))
    if len(values) == 1 and isinstance(values[0], Driver) and values[0].family == "document":
        return values[0]
    return None


def whole(module: "Module", node: ast.expr) -> bool:
    """Whether an argument is a document as it was found, with its ``_id``: read without a projection, and the key not taken out."""
    found = of_collection(module, node)
    read = found.parent if found is not None and found.parent is not None and found.parent.family == "cursor" else found
    call = read.site.node if read is not None and read.site is not None else None
    if not isinstance(node, ast.Name) or not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return False
    if call.func.attr not in ("find", "find_one") or has_star(call) or len(call.args) > 1:
        return False
    if any(item.arg in ("projection", "fields") for item in call.keywords):
        return False
    for load in module.index.name_loads.get(node.id, ()):
        user = module.index.parents.get(load)
        if isinstance(user, ast.Subscript) and isinstance(user.ctx, ast.Del):
            return False
        if isinstance(user, ast.Attribute) and user.attr in ("pop", "popitem", "clear"):
            return False
    return True


def written_out(module: "Module", node: ast.expr | None) -> ast.Dict | None:
    """The dictionary that an argument is: written there, or given to its name by the one assignment that reaches it."""
    if isinstance(node, ast.Dict):
        return node
    if not isinstance(node, ast.Name):
        return None
    binding = only_binding(module, node)
    return binding.value if binding is not None and isinstance(binding.value, ast.Dict) else None


def only_binding(module: "Module", name: ast.Name) -> Binding | None:
    """The assignment in the same function that alone can have given a name its value there."""
    scope = module.index.scope(name).function
    if scope.binder(name.id) is not scope or name.id in scope.globals or name.id in scope.nonlocals:
        return None
    bindings = module.index.reaching(scope, name.id, name)
    if len(bindings) != 1 or bindings[0].how != "assign" or bindings[0].path or bindings[0].scope.function is not scope:
        return None
    return bindings[0]


# A name whose items have names is no list


def _has_keys(module: "Module", node: ast.expr) -> bool:
    """Whether an item of a name is read or written under a text before, on every way that leads there, or right after: ``doc["at"] = now``.

    Who gives an attribute to it has no list, either.
    """
    if not isinstance(node, ast.Name):
        return False
    index = module.index
    scope = index.scope(node).function
    if scope.kind != "function" or scope.binder(node.id) is not scope:
        return False
    bindings = index.reaching(scope, node.id, node)
    ways = {(id(owner), field): position for owner, field, position in index.block_path(node, scope.node)}
    uses = [*index.name_loads.get(node.id, ())]
    for use in uses:
        item = index.parents.get(use)
        if isinstance(item, ast.Attribute):
            told = isinstance(item.ctx, ast.Store)
        else:
            told = isinstance(item, ast.Subscript) and item.value is use and isinstance(constant(item.slice), str)
        if not told or item is None or index.scope(use) is not scope:
            continue
        if not _passed(module, item, ways) and not _follows(module, item, node):
            continue
        if [id(b) for b in index.reaching(scope, node.id, use)] == [id(b) for b in bindings]:
            return True
    return False


def _passed(module: "Module", item: ast.AST, ways: dict[tuple[int, str], int]) -> bool:
    """Whether an expression is certainly evaluated before control comes to the place that ``ways`` leads to."""
    index = module.index
    statement = index.statement(item)
    place = index.place.get(statement)
    if place is None or isinstance(statement, (*FUNCTIONS, *LOOPS, *WITHS, ast.ClassDef, ast.Try)):
        return False
    if ways.get((id(place[0]), place[1]), -1) <= place[2]:
        return False
    child = item
    for up in index.ancestors(item):
        if isinstance(up, ast.If):
            return up.test is child  # its test is evaluated, what is in it need not be
        if up is statement:
            break
        later = isinstance(up, ast.BoolOp) and up.values[0] is not child
        if later or (isinstance(up, ast.IfExp) and up.test is not child) or isinstance(up, (ast.Lambda, ast.comprehension)):
            return False
        if isinstance(up, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            return False
        child = up
    return True


def _follows(module: "Module", item: ast.AST, node: ast.expr) -> bool:
    """Whether the very next statement of the block evaluates an expression."""
    index = module.index
    first, second = index.place.get(index.statement(node)), index.place.get(index.statement(item))
    if first is None or second is None or isinstance(index.statement(node), (*LOOPS, *WITHS, ast.If, ast.Try)):
        return False
    return first[:2] == second[:2] and second[2] == first[2] + 1 and _passed(module, item, {(id(first[0]), first[1]): second[2] + 1})


# Filters


def countable(module: "Module", node: ast.expr) -> Applicability | None:
    """Whether a filter holds no operator that ``count_documents`` refuses: safe as far as every part of it is written out, unsafe where
    names stand for parts of it. None where such an operator is written, or where that cannot be seen at all."""
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or) and isinstance(node.values[-1], ast.Dict):
        parts = [countable(module, value) if isinstance(value, ast.Dict) else Applicability.UNSAFE for value in node.values]
        return None if None in parts else Applicability.UNSAFE
    if isinstance(node, (ast.Name, ast.Attribute)):
        if not path_key(node):
            return None
        display = written_out(module, node)
        return None if display is not None and _refused(display) else Applicability.UNSAFE
    if not isinstance(node, ast.Dict) or _refused(node):
        return None
    for part in walk(node):
        if isinstance(part, ast.Call):
            values = known(module.values(part.func))
            if len(values) != 1 or not isinstance(values[0], External) or not values[0].path.startswith(_PLAIN):
                return Applicability.UNSAFE
        elif isinstance(part, (ast.Dict, ast.List, ast.Constant, ast.UnaryOp, ast.unaryop, ast.expr_context, ast.operator)):
            continue
        elif not isinstance(module.index.parents.get(part), (ast.Call, ast.Attribute, ast.keyword)):
            return Applicability.UNSAFE
    return Applicability.SAFE if None not in node.keys else Applicability.UNSAFE


def _refused(display: ast.Dict) -> bool:
    return any(isinstance(part, ast.Constant) and part.value in _NO_COUNT for part in walk(display))


def can_be_none(module: "Module", node: ast.expr | None) -> bool:
    """Whether a name may be None, as a filter that counted everything could be, and no test around its use says that it is not."""
    if not isinstance(node, ast.Name):
        return False
    index = module.index
    binder = index.scope(node).binder(node.id)
    if binder is None:
        return True
    child: ast.AST = node
    for up in index.ancestors(node):
        if isinstance(up, ast.If) and child in up.body and _says_there_is(up.test, node.id):
            return False
        if isinstance(up, ast.IfExp) and child is up.body and _says_there_is(up.test, node.id):
            return False
        if isinstance(up, ast.BoolOp) and isinstance(up.op, ast.And) and any(_says_there_is(v, node.id) for v in _before(up.values, child)):
            return False
        if up is binder.node:
            break
        child = up
    bindings = index.reaching(binder, node.id, node) if binder is index.scope(node).function else binder.bindings[node.id]
    return any(map(_gives_none, bindings))


def _before(values: list[ast.expr], child: ast.AST) -> list[ast.expr]:
    return values[: next((position for position, value in enumerate(values) if value is child), 0)]


def _says_there_is(test: ast.expr, name: str) -> bool:
    """``if query:``, ``if query is not None:``, and those with more behind ``and``."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return any(_says_there_is(value, name) for value in test.values)
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], (ast.IsNot, ast.NotEq)):
        right = test.comparators[0]
        return isinstance(test.left, ast.Name) and test.left.id == name and isinstance(right, ast.Constant) and right.value is None
    return isinstance(test, ast.Name) and test.id == name


def _gives_none(binding: Binding) -> bool:
    if binding.how == "for":
        return False
    if binding.how == "param":
        arguments = getattr(binding.scope.node, "args", None)
        if not isinstance(arguments, ast.arguments):
            return True
        positional = [*arguments.posonlyargs, *arguments.args]
        pairs = [*zip(reversed(positional), reversed(arguments.defaults), strict=False)]
        pairs += [(arg, default) for arg, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default is not None]
        for arg, default in pairs:
            if arg is binding.node:
                return constant(default) is None
        return binding.node not in (*positional, *arguments.kwonlyargs)
    if binding.how not in ("assign", "ann") or not isinstance(binding.value, ast.expr) or binding.path:
        return True
    parts = [binding.value]
    while parts:
        part = parts.pop()
        if isinstance(part, ast.IfExp):
            parts += [part.body, part.orelse]
        elif isinstance(part, ast.BoolOp):
            parts.append(part.values[-1])
        elif isinstance(part, ast.Constant) or (isinstance(part, ast.Call) and getattr(part.func, "attr", "") in ("get", "pop")):
            return True
    return False


# What stays the same


def fixed(module: "Module", node: ast.expr) -> bool:
    """Whether an expression gives the same later in the function: a literal, or a name bound once, with attributes."""
    if literal(node):
        return True
    base: ast.AST = node
    while isinstance(base, (ast.Attribute, ast.Subscript)):
        if isinstance(base, ast.Subscript) and not isinstance(base.slice, ast.Constant):
            return False
        base = base.value
    if not isinstance(base, ast.Name) or not path_key(node):
        return False
    binder = module.index.scope(base).binder(base.id)
    return binder is not None and len(binder.bindings[base.id]) == 1


def literal(node: ast.expr | None) -> bool:
    """Whether an expression is made of literals alone."""
    return node is None or all(isinstance(part, (ast.Dict, ast.List, ast.Constant, ast.UnaryOp)) for part in walk(node))


_IN_PLACE = frozenset(("limit", "skip", "hint", "where", "collation", "max_time_ms", "max", "min"))
"""Methods that change the cursor they are called on, and what it counts."""


def changed(module: "Module", name: ast.Name) -> bool:
    """Whether a cursor of this name is told anywhere in the file what else to leave out."""
    users = (module.index.parents.get(load) for load in module.index.name_loads.get(name.id, ()))
    return any(isinstance(user, ast.Attribute) and user.attr in _IN_PLACE for user in users)


def untouched(module: "Module", wanted: ast.expr, made: ast.AST, use: ast.AST, cursor: str) -> bool:
    """Whether an expression of the statement ``made`` gives the same at ``use``, further on in the same block: no statement between them
    names what it is made of, and the cursor is only counted."""
    if any(isinstance(part, (ast.Call, ast.Await, ast.Yield, ast.NamedExpr, ast.Lambda)) for part in walk(wanted)):
        return False
    index = module.index
    first, last = index.statement(made), index.statement(use)
    if first not in index.place or last not in index.place:
        return False
    (owner, field, start), (other, other_field, end) = index.place[first], index.place[last]
    if owner is not other or field != other_field or not start < end or isinstance(last, (*LOOPS, *WITHS, ast.If, ast.Try)):
        return False
    names = names_in(wanted)
    for statement in getattr(owner, field)[start + 1 : end + 1]:
        for part in walk(statement, into_functions=True):
            if not isinstance(part, ast.Name):
                continue
            if part.id in names and (statement is not last or isinstance(part.ctx, ast.Store)):
                return False
            user = index.parents.get(part)
            if part.id == cursor and not (isinstance(user, ast.Attribute) and user.attr == "count") and statement is not last:
                return False
    return True
