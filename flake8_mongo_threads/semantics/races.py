"""Races in the data: a document read, computed on and written back, a check before an insert, the next id from a count.

Each is two operations on one collection in one function, with nothing between them that makes them one: no lock, no
transaction, no compare-and-set filter.
"""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Span, Step
from flake8_mongo_threads.semantics.facts import PRODUCERS, Operation
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.sharing import under_lock
from flake8_mongo_threads.semantics.syntax import FUNCTIONS, TRIES, argument, constant, ends, keyword, last_name, walk
from flake8_mongo_threads.semantics.values import Driver, External, Mapping

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

_UPDATES = frozenset(("update_one", "update_many", "find_one_and_update", "update", "find_and_modify"))
_REPLACES = frozenset(("replace_one", "find_one_and_replace", "save", "update"))
_COUNTS = frozenset(("count_documents", "estimated_document_count", "count"))
_MUTATORS = frozenset(("update", "pop", "setdefault", "append", "extend", "remove", "insert", "clear", "add", "popitem"))


class LostUpdate:
    """A field that is read, computed on and written back with ``$set``."""

    __slots__ = ("delta", "field", "key_node", "name", "read", "sign", "single", "span", "steps", "value", "write")

    def __init__(self, module: "Module", write: Operation, read: ast.AST, field: str, name: str) -> None:
        self.write = write
        self.read = read
        self.field = field
        self.name = name
        """The name of the read document."""
        self.span: Span = write.span
        self.steps: tuple[Step, ...] = (
            module.step(read, "the document is read here"),
            module.step(write.node, f"'{field}' is written back from what was read"),
        )
        self.key_node: ast.expr | None = None
        """The ``"$set"`` literal, when it sets this field alone."""
        self.value: ast.expr | None = None
        self.delta: ast.expr | None = None
        """What is added or taken away, when the value is the field plus or minus something simple."""
        self.sign = "+"
        self.single = False


class ReplaceAfterRead:
    """A whole document read, changed and written back."""

    __slots__ = ("name", "span", "steps", "write")

    def __init__(self, module: "Module", write: Operation, read: ast.AST, name: str) -> None:
        self.write = write
        self.name = name
        self.span: Span = write.span
        self.steps: tuple[Step, ...] = (
            module.step(read, "the document is read here"),
            module.step(write.node, "the whole document is written back"),
        )


class CheckThenInsert:
    """An insert behind a check that the document does not exist."""

    __slots__ = ("check", "span", "steps", "write")

    def __init__(self, module: "Module", write: Operation, check: Operation) -> None:
        self.write = write
        self.check = check
        self.span: Span = write.span
        self.steps: tuple[Step, ...] = (
            module.step(check.node, "looks whether the document exists"),
            module.step(write.node, "then inserts it"),
        )


class NextId:
    """An insert whose key is computed from a count or a maximum."""

    __slots__ = ("key", "source", "span", "steps", "write")

    def __init__(self, module: "Module", write: Operation, key: str, source: ast.AST, how: str) -> None:
        self.write = write
        self.key = key
        self.source = how
        self.span: Span = write.span
        self.steps: tuple[Step, ...] = (module.step(source, f"the {how} is read here"), module.step(write.node, f"'{key}' is made from it"))


# ---------------------------------------------------------------------- shared questions


def same_collection(first: Driver, second: Driver) -> bool:
    """Whether two collection objects certainly are the same collection."""
    if first.family != "collection" or second.family != "collection":
        return False
    if first.site is not None and second.site is not None and first.site.node is second.site.node:
        return True
    if not first.name or first.name != second.name:
        return False
    one, other = first.root("database"), second.root("database")
    if one is None or other is None:
        return False
    if one.key() == other.key():
        return True
    if one.name != other.name:
        return False
    left, right = one.root("client"), other.root("client")
    return left is not None and right is not None and left.key() == right.key()


def read_call(document: Driver) -> ast.AST | None:
    """The expression that read a document."""
    return document.site.node if document.site is not None else None


def documents(module: "Module", node: ast.AST) -> list[Driver]:
    """The documents an expression can be; empty unless every known alternative is one."""
    found = [v for v in module.values(node) if isinstance(v, Driver) and v.family == "document"]
    return found if found and module.inference.agreed(module.values(node)) is not None else []


def _collection(document: Driver) -> Driver | None:
    return document.root("collection")


def local_value(module: "Module", node: ast.expr, depth: int = 0) -> ast.expr:
    """The expression behind a local name that is assigned once in straight line."""
    if depth > 5 or not isinstance(node, ast.Name):
        return node.value if isinstance(node, ast.Await) else node
    scope: Scope | None = module.index.scope(node).function
    bindings = scope.bindings.get(node.id, []) if scope is not None else []
    if not bindings and scope is not None:
        return node
    reaching = module.index.reaching(scope, node.id, node) if scope is not None else []
    if len(reaching) == 1 and reaching[0].how in ("assign", "ann") and isinstance(reaching[0].value, ast.expr) and not reaching[0].path:
        return local_value(module, reaching[0].value, depth + 1)
    return node


def filter_of(operation: Operation) -> ast.expr | None:
    """The filter of an operation."""
    if operation.call is None:
        return None
    return argument(operation.call, 0, "filter") or keyword(operation.call, "spec")


def pairs(module: "Module", node: ast.expr | None) -> dict[str, ast.expr] | None:
    """The constant keys of a dictionary display, also behind a local name; None when it cannot be read whole."""
    if node is None:
        return {}
    display = local_value(module, node)
    if not isinstance(display, ast.Dict):
        return None
    found: dict[str, ast.expr] = {}
    for key, value in zip(display.keys, display.values, strict=False):
        text = constant(key) if key is not None else None
        if not isinstance(text, str):
            return None
        found[text] = value
    return found


def in_transaction(operation: Operation) -> bool:
    """Whether an operation is given a session: reads and writes of one transaction conflict instead of being lost."""
    return operation.session is not None


def _atomic(module: "Module", operation: Operation) -> bool:
    return in_transaction(operation) or under_lock(module, operation.node) or _lock_called(module, operation)


def _lock_called(module: "Module", operation: Operation) -> bool:
    """Whether the function takes a lock by hand before the operation."""
    for call in module.index.calls:
        func = call.func
        if (
            isinstance(func, ast.Attribute)
            and func.attr == "acquire"
            and module.index.scope_of_node[call].function is operation.scope.function
        ):
            return True
    return False


# ---------------------------------------------------------------------- read, compute, $set


def lost_updates(module: "Module") -> list[LostUpdate]:
    """Updates that set a field to a value computed from the same field of a document read before."""
    found: list[LostUpdate] = []
    for write in module.facts(Operation):
        if write.name not in _UPDATES or write.call is None or write.owner.family != "collection" or _atomic(module, write):
            continue
        update = argument(write.call, 1, "update") or keyword(write.call, "document")
        if update is None:
            continue
        result = _computed(module, write, update)
        if result is not None:
            found.append(result)
    return found


def _computed(module: "Module", write: Operation, update: ast.expr) -> LostUpdate | None:
    display = local_value(module, update)
    if not isinstance(display, ast.Dict):
        return None
    for key, value in zip(display.keys, display.values, strict=False):
        if constant(key) != "$set":
            continue
        fields = local_value(module, value)
        if not isinstance(fields, ast.Dict):
            return None
        for field_node, written in zip(fields.keys, fields.values, strict=False):
            field = _field_text(module, field_node)
            if not field:
                continue
            hit = _from_field(module, written, field)
            if hit is None or not _same_document(module, write, hit[0]):
                continue
            result = LostUpdate(module, write, read_call(hit[0]) or write.node, field, hit[1])
            if len(fields.keys) == 1 and len(display.keys) == 1 and fields is value and display is update:
                result.key_node = key
                result.value = written
                _delta(result, written, hit[2])
            return result
    return None


def _field_text(module: "Module", node: ast.expr | None) -> str:
    if node is None:
        return ""
    text = constant(node)
    if isinstance(text, str):
        return text
    if isinstance(node, (ast.Name, ast.JoinedStr)):
        return ast.dump(local_value(module, node)) if isinstance(node, ast.Name) else ast.dump(node)
    return ""


def _delta(result: LostUpdate, written: ast.expr, access: ast.expr) -> None:
    """``doc["n"] + 5`` and ``doc["n"] - amount`` become ``$inc``."""
    if not isinstance(written, ast.BinOp) or written.left is not access or not isinstance(written.op, (ast.Add, ast.Sub)):
        return
    right = written.right
    value = constant(right)
    if (isinstance(value, (int, float)) and not isinstance(value, bool)) or (
        isinstance(right, ast.Name) and isinstance(written.op, (ast.Add, ast.Sub)) and _numeric(right.id)
    ):
        result.delta = right
        result.sign = "+" if isinstance(written.op, ast.Add) else "-"


def _numeric(name: str) -> bool:
    return any(
        word in name.lower()
        for word in ("amount", "count", "delta", "price", "cost", "step", "num", "qty", "quantity", "points", "xp", "coins", "n")
    )


Hit = tuple[Driver, str, ast.expr]


def _from_field(module: "Module", written: ast.expr, field: str, depth: int = 0) -> Hit | None:
    """The document whose ``field`` a written value is computed from, the document's name, and the access."""
    if depth > 4:
        return None
    if isinstance(written, ast.Name):
        return _through_name(module, written, field, depth)
    if (
        isinstance(written, ast.Call)
        and isinstance(written.func, ast.Name)
        and written.func.id in ("int", "float", "max", "min", "round", "abs", "Decimal128", "str")
        and written.args
    ):
        for arg in written.args:
            hit = _from_field(module, arg, field, depth + 1)
            if hit is not None:
                return hit
        return None
    if isinstance(written, ast.IfExp):
        return _from_field(module, written.body, field, depth + 1) or _from_field(module, written.orelse, field, depth + 1)
    if isinstance(written, ast.BinOp) and isinstance(written.op, (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)):
        for side in (written.left, written.right):
            hit = _access(module, side, field) or _from_field(module, side, field, depth + 1)
            if hit is not None:
                return hit
    if isinstance(written, (ast.Subscript, ast.Attribute)):
        return _mutated_field(module, written, field)
    if isinstance(written, ast.List):
        for element in written.elts:
            if isinstance(element, ast.Starred):
                hit = _access(module, element.value, field)
                if hit is not None:
                    return hit
    return None


def _through_name(module: "Module", name: ast.Name, field: str, depth: int) -> Hit | None:
    scope = module.index.scope(name).function
    for binding in scope.bindings.get(name.id, ()):
        if binding.position >= (name.lineno, name.col_offset):
            continue
        if binding.how == "aug":
            for earlier in scope.bindings.get(name.id, ()):
                if earlier.how in ("assign", "ann") and isinstance(earlier.value, ast.expr):
                    hit = _access(module, earlier.value, field)
                    if hit is not None:
                        return hit
        elif binding.how in ("assign", "ann") and isinstance(binding.value, ast.expr) and not binding.path:
            hit = _from_field(module, binding.value, field, depth + 1)
            if hit is not None:
                return hit
    return None


def _access(module: "Module", node: ast.expr, field: str) -> Hit | None:
    """``doc["a"]["b"]``, ``doc.get("a", 0)`` and locals holding one of these, for the field ``a.b``."""
    expression = local_value(module, node) if isinstance(node, ast.Name) else node
    path: list[str] = []
    current: ast.expr = expression
    while True:
        if isinstance(current, ast.Subscript):
            key = _field_text(module, current.slice)
            if not key:
                return None
            path.append(key)
            current = current.value
        elif isinstance(current, ast.Call) and isinstance(current.func, ast.Attribute) and current.func.attr == "get" and current.args:
            key = _field_text(module, current.args[0])
            if not key:
                return None
            path.append(key)
            current = current.func.value
        elif isinstance(current, ast.BoolOp) and isinstance(current.op, ast.Or):
            current = current.values[0]
        else:
            break
    if ".".join(reversed(path)) != field:
        return None
    found = documents(module, current)
    return (found[0], last_name(current), node) if found else None


def _mutated_field(module: "Module", written: ast.expr, field: str) -> Hit | None:
    """``doc["n"] += 1`` before ``{"$set": {"n": doc["n"]}}``."""
    hit = _access(module, written, field)
    if hit is None or not isinstance(written, ast.Subscript):
        return None
    text = ast.dump(written.value)
    scope = module.index.scope(written).function
    for store in module.index.item_stores:
        target = store.target
        if store.scope.function is not scope or not isinstance(target, ast.Subscript) or target.lineno > written.lineno:
            continue
        if ast.dump(target.value) == text and ast.dump(target.slice) == ast.dump(written.slice):
            if store.how == "aug":
                return hit
            if store.value is not None and isinstance(store.value, ast.BinOp):
                inner = _from_field(module, store.value, field, 1)
                if inner is not None:
                    return inner
    tail = last_name(written.value)
    for call, where in module.index.mutations.get(tail, ()):
        func = call.func
        if (
            where.function is scope
            and isinstance(func, ast.Attribute)
            and func.attr in ("append", "extend")
            and ast.dump(func.value) == ast.dump(written)
        ):
            return hit
    return None


def _same_document(module: "Module", write: Operation, document: Driver) -> bool:
    """Whether a write goes to the document that was read, and no filter makes it a compare-and-set."""
    home = _collection(document)
    if home is None or not same_collection(home, write.owner):
        return False
    given = filter_of(write)
    if given is None:
        return False
    read = read_call(document)
    if documents(module, given):
        return False  # the whole document as the filter: nothing matches when it has changed
    wanted = pairs(module, given)
    if wanted is None:
        return _equal_filters(module, given, read)
    own = 0
    for key, value in wanted.items():
        if _reads(module, value, document):
            if key != "_id" and not _part_of_read(module, key, read):
                return False
            own += 1
        elif isinstance(value, ast.Dict):
            return False
    if own and own == len(wanted):
        return True
    return _equal_filters(module, given, read)


def _reads(module: "Module", node: ast.expr, document: Driver) -> bool:
    expression = local_value(module, node)
    for inner in walk(expression):
        if isinstance(inner, (ast.Name, ast.Attribute, ast.Subscript)) and isinstance(getattr(inner, "ctx", None), ast.Load):
            if any(isinstance(v, Driver) and v.family == "document" and v.key() == document.key() for v in module.values(inner)):
                return True
    return False


def _read_filter(read: ast.AST | None) -> ast.expr | None:
    if isinstance(read, ast.Call):
        return argument(read, 0, "filter")
    return None


def _part_of_read(module: "Module", key: str, read: ast.AST | None) -> bool:
    """Whether the read itself selected by this key: writing by it again is no check for change."""
    wanted = pairs(module, _read_filter(read))
    return wanted is not None and key in wanted


def _equal_filters(module: "Module", given: ast.expr, read: ast.AST | None) -> bool:
    before = _read_filter(read)
    if before is None:
        return False
    return _normal(module, given) == _normal(module, before)


def _normal(module: "Module", node: ast.expr) -> str:
    """A text that is equal for filters that say the same: locals replaced by the displays they hold."""
    display = local_value(module, node)
    if isinstance(display, ast.Dict):
        parts = []
        for key, value in zip(display.keys, display.values, strict=False):
            parts.append(f"{ast.dump(key) if key is not None else '**'}:{ast.dump(local_value(module, value))}")
        return "{" + ",".join(sorted(parts)) + "}"
    return ast.dump(display)


# ---------------------------------------------------------------------- read, change, replace


def replaces_after_read(module: "Module") -> list[ReplaceAfterRead]:
    """Replacements by a document that was read from the same collection and changed in between."""
    found: list[ReplaceAfterRead] = []
    for write in module.facts(Operation):
        if write.name not in _REPLACES or write.call is None or write.owner.family != "collection" or _atomic(module, write):
            continue
        replacement = argument(write.call, 0 if write.name == "save" else 1, "replacement")
        if not isinstance(replacement, ast.Name):
            continue
        read = documents(module, replacement)
        if not read or not _changed(module, replacement):
            continue
        home = _collection(read[0])
        if home is None or not same_collection(home, write.owner):
            continue
        if write.name != "save" and not _same_document(module, write, read[0]):
            continue
        found.append(ReplaceAfterRead(module, write, read_call(read[0]) or write.node, replacement.id))
    return found


def _changed(module: "Module", name: ast.Name) -> bool:
    """Whether a document is changed in its function: an item set or deleted, a mutating method called on it or inside it."""
    scope = module.index.scope(name).function
    for store in module.index.item_stores:
        if store.scope.function is scope and _root(store.target) == name.id:
            return True
    for binding in scope.bindings.get(name.id, ()):
        if binding.how == "aug":
            return True
    for call in module.index.calls:
        func = call.func
        if (
            isinstance(func, ast.Attribute)
            and func.attr in _MUTATORS
            and module.index.scope_of_node[call].function is scope
            and _root(func.value) == name.id
        ):
            return True
    for node in walk(scope.node):
        if isinstance(node, ast.Delete) and any(_root(t) == name.id and not isinstance(t, ast.Name) for t in node.targets):
            return True
    return False


def _root(node: ast.AST) -> str:
    while isinstance(node, (ast.Subscript, ast.Attribute, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


# ---------------------------------------------------------------------- check, then insert


def checks_then_inserts(module: "Module") -> list[CheckThenInsert]:
    """Inserts that run only when a look-up in the same collection found nothing."""
    found: list[CheckThenInsert] = []
    operations = module.facts(Operation)
    for write in operations:
        if (
            write.name not in ("insert_one", "insert")
            or write.call is None
            or write.owner.family != "collection"
            or _atomic(module, write)
            or _handles_duplicates(module, write.node)
        ):
            continue
        check = _checked(module, write, operations)
        if check is not None:
            found.append(CheckThenInsert(module, write, check))
    return found


def _handles_duplicates(module: "Module", node: ast.AST) -> bool:
    for up in module.index.ancestors(node):
        if isinstance(up, FUNCTIONS):
            return False
        if isinstance(up, TRIES):
            for handler in up.handlers:  # type: ignore[attr-defined]
                if handler.type is not None and any(
                    isinstance(v, External) and v.path.startswith("pymongo.errors.")
                    for n in walk(handler.type)
                    if isinstance(n, (ast.Name, ast.Attribute))
                    for v in module.values(n)
                ):
                    return True
    return False


def _checked(module: "Module", write: Operation, operations: list[Operation]) -> Operation | None:
    index = module.index
    statement = index.statement(write.node)
    while statement in index.place:
        owner, field, position = index.place[statement]
        if isinstance(owner, ast.If) and field in ("body", "orelse"):
            hit = _absence(module, owner.test, write, operations)
            if hit is not None and hit[1] == (field == "body"):
                return hit[0]
        block = getattr(owner, field)
        for earlier in block[:position]:
            if isinstance(earlier, ast.If) and ends(earlier.body):
                hit = _absence(module, earlier.test, write, operations)
                if hit is not None and not hit[1]:
                    return hit[0]
        if isinstance(owner, (*FUNCTIONS, ast.Module)):
            return None
        statement = owner if owner in index.place else index.statement(owner)
    return None


def _absence(module: "Module", test: ast.expr, write: Operation, operations: list[Operation]) -> tuple[Operation, bool] | None:
    """The look-up that a test is about, and whether the test is true when nothing was found."""
    positive = True
    node = test
    while isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        positive = not positive
        node = node.operand
    if isinstance(node, ast.Name):
        node = local_value(module, node)
    if isinstance(node, ast.Await):
        node = node.value
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        left = local_value(module, node.left)
        right, operator = node.comparators[0], node.ops[0]
        none = isinstance(right, ast.Constant) and right.value is None
        zero = constant(right)
        if none and isinstance(operator, (ast.Is, ast.Eq)):
            positive = not positive
        elif none and isinstance(operator, (ast.IsNot, ast.NotEq)):
            pass
        elif zero == 0 and isinstance(operator, ast.Eq):
            positive = not positive
        elif (zero == 0 and isinstance(operator, (ast.Gt, ast.NotEq))) or (zero == 1 and isinstance(operator, ast.GtE)):
            pass
        elif zero == 1 and isinstance(operator, ast.Lt):
            positive = not positive
        else:
            return None
        node = left
    if isinstance(node, ast.Await):
        node = node.value
    for operation in operations:
        if (
            operation.node is node
            and operation.name in ("find_one", *_COUNTS)
            and same_collection(operation.owner, write.owner)
            and _about_the_same(module, operation, write)
        ):
            return operation, not positive
    return None


def _about_the_same(module: "Module", check: Operation, write: Operation) -> bool:
    """Whether the filter of a check names what the insert writes."""
    wanted = pairs(module, filter_of(check))
    if not wanted or write.call is None or not write.call.args:
        return False
    document = write.call.args[0]
    for value in module.values(document):
        if isinstance(value, Mapping) and {k for k, _ in value.items} >= set(wanted):
            return True
    if isinstance(document, ast.Name):
        return all(_root(v) == document.id for v in wanted.values())
    if isinstance(document, ast.Call):
        return any(_root(v) == _root(document) for v in wanted.values())
    return False


# ---------------------------------------------------------------------- the next id


def next_ids(module: "Module") -> list[NextId]:
    """Inserts of a key that is a count of the collection, or one more than its largest key."""
    found: list[NextId] = []
    for write in module.facts(Operation):
        if (
            write.name not in ("insert_one", "insert")
            or write.call is None
            or not write.call.args
            or write.owner.family != "collection"
            or _atomic(module, write)
        ):
            continue
        for key, value in _written_pairs(module, write.call.args[0]):
            hit = _counted(module, value, key, write)
            if hit is not None:
                found.append(NextId(module, write, key, hit[0], hit[1]))
                break
    return found


def _written_pairs(module: "Module", document: ast.expr) -> list[tuple[str, ast.expr]]:
    found: list[tuple[str, ast.expr]] = []
    for value in module.values(document):
        if isinstance(value, Mapping):
            for key, element in value.items:
                if isinstance(key, str) and isinstance(element.expression, ast.expr):
                    found.append((key, element.expression))
    if isinstance(document, ast.Name):
        scope = module.index.scope(document).function
        for store in module.index.items_of.get(document.id, ()):
            target = store.target
            if store.scope.function is scope and isinstance(target, ast.Subscript) and store.value is not None:
                key = constant(target.slice)
                if isinstance(key, str):
                    found.append((key, store.value))
    return found


def _counted(module: "Module", value: ast.expr, key: str, write: Operation, depth: int = 0) -> tuple[ast.AST, str] | None:
    """The count or maximum that a value is made from, with one added (or, for a key that is an id, as it is)."""
    if depth > 5:
        return None
    if isinstance(value, ast.Name):
        scope = module.index.scope(value).function
        raised = any(b.how == "aug" for b in scope.bindings.get(value.id, ()))
        for binding in scope.bindings.get(value.id, ()):
            if (
                binding.how in ("assign", "ann")
                and isinstance(binding.value, ast.expr)
                and not binding.path
                and binding.position < (value.lineno, value.col_offset)
            ):
                hit = _counted(module, binding.value, key, write, depth + 1)
                if hit is None and raised:
                    hit = _source(module, binding.value, key, write)
                if hit is not None:
                    return hit
        return None
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in ("str", "int") and value.args:
        return _counted(module, value.args[0], key, write, depth + 1)
    if isinstance(value, ast.JoinedStr):
        for part in value.values:
            if isinstance(part, ast.FormattedValue):
                hit = _counted(module, part.value, key, write, depth + 1)
                if hit is not None:
                    return hit
        return None
    if isinstance(value, ast.IfExp):
        return _counted(module, value.body, key, write, depth + 1) or _counted(module, value.orelse, key, write, depth + 1)
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        for side, other in ((value.left, value.right), (value.right, value.left)):
            step = constant(other)
            if isinstance(step, int) and not isinstance(step, bool) and step > 0:
                return _source(module, side, key, write)
    if key == "_id":
        hit = _source(module, value, key, write)
        return hit if hit is not None and hit[1] == "count" else None
    return None


def _source(module: "Module", node: ast.expr, key: str, write: Operation) -> tuple[ast.AST, str] | None:
    expression: ast.expr = local_value(module, node)
    if isinstance(expression, ast.Await):
        expression = expression.value
    if (
        isinstance(expression, ast.Call)
        and isinstance(expression.func, ast.Name)
        and expression.func.id in ("len", "int")
        and expression.args
    ):
        inner = expression.args[0]
        for candidate in (inner, *(inner.args if isinstance(inner, ast.Call) else ())):
            driver = module.inference.kind(module, candidate)
            home = driver.root("collection") if driver is not None and driver.family == "cursor" else None
            if home is not None and same_collection(home, write.owner) and expression.func.id == "len":
                return expression, "count"
        return _source(module, inner, key, write) if expression.func.id == "int" else None
    if isinstance(expression, ast.Call):
        method = module.inference.method(module, expression.func)
        if method is not None and method.name in _COUNTS:
            home = method.owner.root("collection")
            if home is not None and same_collection(home, write.owner):
                return expression, "count"
    hit = _access(module, node, key) or (_access(module, expression, key) if expression is not node else None)
    if hit is not None:
        read = read_call(hit[0])
        home = _collection(hit[0])
        if read is not None and home is not None and same_collection(home, write.owner) and _sorted_down(module, hit[0], key):
            return read, "maximum"
    return None


def _sorted_down(module: "Module", document: Driver, key: str) -> bool:
    """Whether a document was read as the last in the order of a key."""
    node = read_call(document)
    pending: list[ast.AST] = [node] if node is not None else []
    parent = document.parent
    for _ in range(4):
        if parent is None:
            break
        if parent.site is not None:
            pending.append(parent.site.node)
            chain = parent.site.module.index.parents.get(parent.site.node)
            while isinstance(chain, (ast.Attribute, ast.Call)):
                pending.append(chain)
                chain = parent.site.module.index.parents.get(chain)
        parent = parent.parent
    for candidate in pending:
        for inner in walk(candidate):
            if isinstance(inner, ast.Call):
                given = keyword(inner, "sort")
                if given is None and last_name(inner.func) == "sort":
                    given = inner.args[0] if inner.args else None
                    if constant(given) == key and len(inner.args) > 1 and _descending(module, inner.args[1]):
                        return True
                if given is not None and _orders_down(module, given, key):
                    return True
    return False


def _orders_down(module: "Module", given: ast.expr, key: str) -> bool:
    display = local_value(module, given)
    if isinstance(display, (ast.List, ast.Tuple)) and display.elts:
        first = display.elts[0]
        if isinstance(first, ast.Tuple) and len(first.elts) == 2:
            return constant(first.elts[0]) == key and _descending(module, first.elts[1])
    if isinstance(display, ast.Dict) and display.keys:
        return constant(display.keys[0]) == key and _descending(module, display.values[0])
    return False


def _descending(module: "Module", node: ast.expr) -> bool:
    return constant(node) == -1 or any(isinstance(v, External) and v.path.rpartition(".")[2] == "DESCENDING" for v in module.values(node))


PRODUCERS[LostUpdate] = lost_updates
PRODUCERS[ReplaceAfterRead] = replaces_after_read
PRODUCERS[CheckThenInsert] = checks_then_inserts
PRODUCERS[NextId] = next_ids
