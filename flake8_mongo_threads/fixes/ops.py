"""Applying edits: one libcst implementation for every type of edit, several fixes in one pass.

Two passes over the tree. The first changes expressions, keywords, imports and the headers of blocks; a node is handled when
it is left, so edits inside an expression are already made when the expression itself is replaced. The second moves, inserts,
deletes and wraps whole statements; it runs only when there are such edits.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import libcst as cst

from flake8_mongo_threads.edits import (
    Anchor,
    DeleteStatement,
    Edit,
    HoistWith,
    InsertStatement,
    MakeAsync,
    MoveStatement,
    RemoveElement,
    RemoveKeyword,
    RenameImport,
    RenameKeyword,
    RenameName,
    ReplaceExpr,
    ReplaceImport,
    SetKeyword,
    SpliceCall,
    SwapNestedWith,
    SwapWithItems,
    Unwrap,
    WhileToAsyncFor,
    WrapStatementsInTry,
)
from flake8_mongo_threads.fixes import expressions, migration_edits
from flake8_mongo_threads.fixes.expressions import Templates
from flake8_mongo_threads.fixes.locate import STATEMENTS, TOO_DEEP, RefusedError, Tree


class AddImportName(NamedTuple):
    """Add a name to a ``from`` import that is there (the ``ImportFrom`` is anchored)."""

    anchor: Anchor
    name: str
    alias: str = ""


class PlaceImport(NamedTuple):
    """Put a new import statement before or after a top-level statement; without ``target`` at the top of the file."""

    target: Anchor | None
    text: str
    after: bool = True
    apart: bool = False
    """Whether an empty line separates it from the statement that it is put next to."""


Change = Edit | AddImportName | PlaceImport
Node = TypeVar("Node", bound=cst.CSTNode)
_Action = Callable[["_First", Any, Any], Any]
_Lines = Sequence[cst.EmptyLine]

_LEADING = (
    cst.SimpleStatementLine,
    cst.FunctionDef,
    cst.ClassDef,
    cst.If,
    cst.For,
    cst.While,
    cst.With,
    cst.Try,
    cst.TryStar,
    cst.Match,
)


def apply(tree: Tree, fixes: Sequence[Sequence[Change]]) -> str:
    """Make the changes of several fixes and return the new text. Raises RefusedError, with the culprit where it is known."""
    first = _First(tree)
    for index, changes in enumerate(fixes):
        try:
            for change in changes:
                first.plan(change)
        except RefusedError as error:
            raise RefusedError(error.reason, index) from None
    try:
        module = tree.module.visit(first)
        if first.statements:
            module = module.visit(_Second(first))
        return module.code
    except RecursionError:
        raise RefusedError(TOO_DEEP) from None
    except cst.CSTValidationError as error:
        raise RefusedError(f"libcst refuses the result: {str(error).splitlines()[0]}") from None


def _rank(change: Change) -> int:
    # What gives a node another type comes last; what cares for arguments by position comes first.
    return 0 if isinstance(change, SpliceCall) else 2 if isinstance(change, ReplaceExpr) else 1


class _First(cst.CSTTransformer):
    """The first pass. Remembers what became of every statement that the second pass needs."""

    def __init__(self, tree: Tree) -> None:
        super().__init__()
        self.tree = tree
        self.templates = Templates(tree.module)
        self.statements: list[Change] = []
        self._actions: dict[int, list[tuple[int, _Action]]] = {}
        self._captured: dict[int, cst.CSTNode | None] = {}
        self._tracked: dict[int, cst.CSTNode] = {}
        self._lines: dict[int, int] = {}
        self._stack: list[cst.CSTNode] = []

    # Planning

    def plan(self, change: Change) -> None:
        """Find the nodes of a change and remember what to do when they are left. Raises RefusedError."""
        match change:
            case MoveStatement(statement, target):
                self._track(statement)
                self._track(target)
                self.statements.append(change)
            case InsertStatement(target) | DeleteStatement(target) | Unwrap(target):
                self._track(target)
                self.statements.append(change)
            case WrapStatementsInTry(first, last):
                self._track(first)
                self._track(last)
                self.statements.append(change)
            case PlaceImport(place):
                if place is not None:
                    self._track(place)
                self.statements.append(change)
            case _:
                self._plan_expression(change)

    def _plan_expression(self, change: Any) -> None:
        node = self.tree.find(change.anchor)
        holes: tuple[cst.CSTNode, ...] = ()
        if isinstance(change, (ReplaceExpr, WhileToAsyncFor)):
            holes = tuple(map(self.tree.find, change.holes if isinstance(change, ReplaceExpr) else (change.iterable,)))
            for hole in holes:
                self._captured.setdefault(id(hole), None)
        elif isinstance(change, RenameImport):
            self._plan_import(change, node)
        elif isinstance(change, ReplaceImport) and migration_edits.check_import(node, change):
            self._track(change.anchor)
            self.statements.append(change)
        handler = _HANDLERS[type(change)]
        self._act(node, _rank(change), lambda first, original, updated: handler(first, change, holes, original, updated))

    def _plan_import(self, change: RenameImport, node: cst.CSTNode) -> None:
        if not isinstance(node, cst.ImportFrom) or isinstance(node.names, cst.ImportStar):
            raise RefusedError("it is not a plain from-import")
        if not any(item.evaluated_name == change.name for item in node.names):
            raise RefusedError(f"{change.name!r} is not imported there")
        if len(node.names) > 1 and change.new_module != _module_of(node):
            self._track(change.anchor)
            self.statements.append(change)

    def _act(self, node: cst.CSTNode, rank: int, action: _Action) -> None:
        actions = self._actions.setdefault(id(node), [])
        actions.append((rank, action))
        actions.sort(key=lambda pair: pair[0])

    def _track(self, anchor: Anchor) -> None:
        if anchor.kind not in STATEMENTS:
            raise RefusedError(f"{anchor.kind} is not a statement")
        node = self.tree.find(anchor)
        self._tracked[id(node)] = node

    # Visiting

    def on_visit(self, node: cst.CSTNode) -> bool:
        self._stack.append(node)
        return True

    def on_leave(self, original_node, updated_node):  # type: ignore[no-untyped-def]
        self._stack.pop()
        key = id(original_node)
        for _, action in self._actions.get(key, ()):
            updated_node = action(self, original_node, updated_node)
        if key in self._captured:
            self._captured[key] = updated_node
        if key in self._tracked:
            self._tracked[key] = updated_node
            parent = self._stack[-1]
            if isinstance(parent, (cst.SimpleStatementLine, cst.SimpleStatementSuite)):
                self._lines[key] = id(parent)
                self._tracked[id(parent)] = parent
        return updated_node

    def node_of(self, hole: cst.CSTNode, original: cst.CSTNode, current: cst.CSTNode) -> cst.CSTNode:
        """What became of a hole's node when the replaced node is left."""
        if hole is original:
            assert isinstance(current, cst.BaseExpression)
            return expressions.bare(current)
        return self._captured.get(id(hole)) or hole.deep_clone()

    def parent(self, level: int = 1) -> cst.CSTNode:
        """The (original) parent of the node that is being left."""
        return self._stack[-level]

    def in_format(self, template: str) -> str:
        """The template as it can stand where the node at hand does: with the other quotes inside an f-string, as all releases read it."""
        outer = {node.start[-1] for node in self._stack if isinstance(node, cst.FormattedString)}
        if not outer or not ({*template} & {*outer, "\\"}):
            return template
        other = {'"': "'", "'": '"'}
        if "\\" in template or len(outer) > 1 or other[min(outer)] in template:
            raise RefusedError("the f-string around it leaves no quotes to write it with")
        return template.replace(min(outer), other[min(outer)])

    def later(self, node: cst.CSTNode, action: _Action) -> None:
        """Do something when an ancestor of the node at hand is left."""
        self._act(node, 0, action)

    def statement(self, anchor: Anchor) -> tuple[cst.CSTNode, cst.CSTNode]:
        """What became of an anchored statement: itself, and the whole line (or block) that it is."""
        node = self.tree.find(anchor)
        itself = self._tracked[id(node)]
        line = self._lines.get(id(node))
        return itself, itself if line is None else self._tracked[line]


def _module_of(node: cst.ImportFrom) -> str:
    dots = "." * len(node.relative)
    return dots + (cst.Module([]).code_for_node(node.module) if node.module else "")


# Handlers of the first pass: (pass, change, nodes of the holes, original node, node so far) -> node


def _replace(first: _First, change: ReplaceExpr, holes: tuple[cst.CSTNode, ...], original: cst.BaseExpression, current: Any) -> Any:
    nodes = [first.node_of(hole, original, current) for hole in holes]
    result: Any = first.templates.fill(first.in_format(change.template), nodes)
    parent = first.parent()
    if isinstance(result, cst.Await) and isinstance(parent, cst.Await):
        result = result.expression
    if _wraps(result, current) and holes == (original,):
        # the parentheses become those of the call
        inner = result.args[0].with_changes(whitespace_after_arg=current.rpar[0].whitespace_before)
        result = result.with_changes(args=[inner], whitespace_before_args=current.lpar[0].whitespace_after)
    elif isinstance(result, cst.Tuple) and original.lpar:
        result = result.with_changes(lpar=current.lpar, rpar=current.rpar)
    elif isinstance(result, cst.Comparison) and holes == (original,) and _one_line_walrus(original):
        result = expressions.fit(result, parent, expressions.field_of(parent, original))  # the hole has its parentheses already
    elif isinstance(original, cst.Await) and change.template == "{0}" and _one_line(original) and first.templates.stands_alone(result):
        result = expressions.fit(result, parent, expressions.field_of(parent, original))
    elif original.lpar and not isinstance(original, cst.GeneratorExp):
        result = result.with_changes(lpar=[*current.lpar, *result.lpar], rpar=[*result.rpar, *current.rpar])
    else:
        result = expressions.fit(result, parent, expressions.field_of(parent, original))
        if not result.lpar and not first.templates.stands_alone(result) and first.templates.stands_alone(original):
            result = expressions.parenthesised(result)
    if expressions.comments_of([current]) - expressions.comments_of([result]):
        raise RefusedError("a comment inside the expression would be lost")
    return result


def _one_line_walrus(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.NamedExpr) and _one_line(node)


def _one_line(node: cst.BaseExpression) -> bool:
    """Whether one pair of parentheses stands around an expression and next to it."""
    return len(node.lpar) == 1 and isinstance(node.lpar[0].whitespace_after, cst.SimpleWhitespace)


def _wraps(result: Any, current: Any) -> bool:
    """Whether an expression in parentheses over several lines becomes the only argument of a call."""
    if not isinstance(result, cst.Call) or len(result.args) != 1 or result.args[0].keyword or result.args[0].star or result.lpar:
        return False
    return len(current.lpar) == 1 and isinstance(current.lpar[0].whitespace_after, cst.ParenthesizedWhitespace)


def _rename(_first: _First, change: RenameName, _holes: object, _original: object, current: Any) -> Any:
    if isinstance(current, cst.Name):
        return current.with_changes(value=change.new)
    if isinstance(current, cst.Attribute):
        return current.with_changes(attr=current.attr.with_changes(value=change.new))
    raise RefusedError("it is not a name")


def _call(node: object) -> cst.Call:
    if not isinstance(node, cst.Call):
        raise RefusedError("it is not a call")
    return node


def _keyword(call: cst.Call, name: str) -> int | None:
    return next((i for i, argument in enumerate(call.args) if argument.keyword and argument.keyword.value == name), None)


def _with_argument(call: cst.Call, index: int, argument: cst.Arg) -> cst.Call:
    return call.with_changes(args=[*call.args[:index], argument, *call.args[index + 1 :]])


def _set_keyword(first: _First, change: SetKeyword, _holes: object, _original: object, current: object) -> Any:
    call = _call(current)
    value = first.templates.expression(change.value)
    index = _keyword(call, change.name)
    if index is not None:
        argument = call.args[index]
        if expressions.comments_of([argument.value]):
            raise RefusedError("a comment inside the expression would be lost")
        return _with_argument(call, index, argument.with_changes(value=expressions.fit(value, argument, "value")))
    no_space = cst.AssignEqual(whitespace_before=cst.SimpleWhitespace(""), whitespace_after=cst.SimpleWhitespace(""))
    new = cst.Arg(keyword=cst.Name(change.name), value=value, equal=no_space)
    return expressions.append_argument(call, new.with_changes(value=expressions.fit(value, new, "value")))


def _remove_keyword(_first: _First, change: RemoveKeyword, _holes: object, _original: object, current: object) -> Any:
    call = _call(current)
    index = _keyword(call, change.name)
    if index is None:
        raise RefusedError(f"the call has no argument {change.name!r}")
    return expressions.remove_argument(call, index)


def _rename_keyword(_first: _First, change: RenameKeyword, _holes: object, _original: object, current: object) -> Any:
    call = _call(current)
    index = _keyword(call, change.old)
    if index is None:
        raise RefusedError(f"the call has no argument {change.old!r}")
    if _keyword(call, change.new) is not None:
        raise RefusedError(f"the call has an argument {change.new!r} already")
    argument = call.args[index]
    assert argument.keyword is not None
    return _with_argument(call, index, argument.with_changes(keyword=argument.keyword.with_changes(value=change.new)))


def _splice(first: _First, _change: SpliceCall, _holes: object, _original: object, current: object) -> Any:
    inner = _call(current)
    argument, outer = first.parent(), first.parent(2)
    if not isinstance(argument, cst.Arg) or not isinstance(outer, cst.Call):
        raise RefusedError("the call is not an argument of another one")

    def splice(_first: _First, _original: object, updated: object) -> cst.Call:
        # Splicing two arguments of one call moves the second: it is found again by the inner call.
        call = _call(updated)
        place = next((i for i, item in enumerate(call.args) if item.value is inner), None)
        if place is None:
            raise RefusedError("the call is changed by another fix")
        return expressions.splice_call(call, place, inner)

    first.later(outer, splice)
    return current


def _remove_element(first: _First, _change: RemoveElement, _holes: object, _original: object, current: Any) -> Any:
    element, several = first.parent(), first.parent(2)
    if not isinstance(element, cst.Element) or not isinstance(several, cst.Tuple):
        raise RefusedError("it is no element of a tuple")
    index = next(i for i, item in enumerate(several.elements) if item is element)

    def remove(inner: _First, _original: object, updated: object) -> cst.BaseExpression:
        # Another element may be gone already: those that are left are found by what they were.
        if not isinstance(updated, cst.Tuple) or len(updated.elements) != len(several.elements):
            raise RefusedError("the tuple is changed by another fix")
        return expressions.remove_element(updated, index, inner.parent())

    first.later(several, remove)
    return current


def _swap_items(_first: _First, change: SwapWithItems, _holes: object, _original: object, current: Any) -> Any:
    items = list(current.items) if isinstance(current, cst.With) else []
    if max(change.first, change.second) >= len(items):
        raise RefusedError("the with statement has no such items")
    one, other = items[change.first], items[change.second]
    items[change.first] = one.with_changes(item=other.item, asname=other.asname)
    items[change.second] = other.with_changes(item=one.item, asname=one.asname)
    swapped = current.with_changes(items=items)
    first, second = _space_after(current, change.first), _space_after(current, change.second)
    comments = [expressions.comments_of([space]) for space in (first, second)]
    if not any(comments):
        return swapped
    # A comment at the end of an item's line goes with the item.
    if not isinstance(first, cst.ParenthesizedWhitespace) or not isinstance(second, cst.ParenthesizedWhitespace):
        raise RefusedError("a comment stands between the items")
    swapped = _with_space_after(swapped, change.first, first.with_changes(first_line=second.first_line))
    return _with_space_after(swapped, change.second, second.with_changes(first_line=first.first_line))


def _space_after(node: cst.With, index: int) -> cst.CSTNode:
    item = node.items[index]
    if index == len(node.items) - 1 and isinstance(node.rpar, cst.RightParen):
        return node.rpar.whitespace_before
    return item.comma.whitespace_after if isinstance(item.comma, cst.Comma) else cst.SimpleWhitespace("")


def _with_space_after(node: cst.With, index: int, space: cst.ParenthesizedWhitespace) -> cst.With:
    if index == len(node.items) - 1 and isinstance(node.rpar, cst.RightParen):
        return node.with_changes(rpar=node.rpar.with_changes(whitespace_before=space))
    items = list(node.items)
    comma = items[index].comma
    assert isinstance(comma, cst.Comma)
    items[index] = items[index].with_changes(comma=comma.with_changes(whitespace_after=space))
    return node.with_changes(items=items)


def split_leading(lines: _Lines) -> tuple[list[cst.EmptyLine], list[cst.EmptyLine]]:
    """Split the lines above a statement: the comments that touch it are its own, the rest stands where it is."""
    index = len(lines)
    while index and lines[index - 1].comment is not None:
        index -= 1
    return list(lines[:index]), list(lines[index:])


def _only(body: cst.BaseSuite, kind: type[Node]) -> Node:
    if not isinstance(body, cst.IndentedBlock) or len(body.body) != 1 or not isinstance(body.body[0], kind):
        raise RefusedError("there is more in the block")
    return body.body[0]


def _with_block(node: cst.With) -> cst.IndentedBlock:
    if not isinstance(node.body, cst.IndentedBlock):
        raise RefusedError("the with statement stands on one line")
    return node.body


def _header(node: cst.With) -> dict[str, Any]:
    fields = ("items", "asynchronous", "lpar", "rpar", "whitespace_after_with", "whitespace_before_colon")
    return {field: getattr(node, field) for field in fields}


def _swap_nested(_first: _First, _change: SwapNestedWith, _holes: object, _original: object, current: Any) -> Any:
    if not isinstance(current, cst.With):
        raise RefusedError("it is not a with statement")
    outer_block = _with_block(current)
    inner = _only(outer_block, cst.With)
    inner_block = _with_block(inner)
    above, own = split_leading(current.leading_lines)
    inner_above, inner_own = split_leading(inner.leading_lines)
    new_inner = inner.with_changes(
        **_header(current), leading_lines=[*inner_above, *own], body=inner_block.with_changes(header=outer_block.header)
    )
    return current.with_changes(
        **_header(inner), leading_lines=[*above, *inner_own], body=outer_block.with_changes(header=inner_block.header, body=[new_inner])
    )


def _hoist(_first: _First, _change: HoistWith, _holes: object, _original: object, current: Any) -> Any:
    if not isinstance(current, (cst.For, cst.While)) or not isinstance(current.body, cst.IndentedBlock):
        raise RefusedError("it is not a loop with a block")
    outer_block = current.body
    inner = _only(outer_block, cst.With)
    inner_block = _with_block(inner)
    above, own = split_leading(current.leading_lines)
    _, inner_own = split_leading(inner.leading_lines)
    loop = current.with_changes(leading_lines=own, body=inner_block.with_changes(header=outer_block.header))
    return inner.with_changes(leading_lines=[*above, *inner_own], body=outer_block.with_changes(header=inner_block.header, body=[loop]))


def _make_async(_first: _First, change: MakeAsync, _holes: object, _original: object, current: Any) -> Any:
    new = cst.Asynchronous() if change.asynchronous else None
    if isinstance(current, (cst.For, cst.With)):
        if current.asynchronous is not None and new is not None:
            return current
        return current.with_changes(asynchronous=new)
    if not isinstance(current, (cst.ListComp, cst.SetComp, cst.DictComp, cst.GeneratorExp)):
        raise RefusedError("it has no async form")
    clauses: list[cst.CompFor] = []
    clause: cst.CompFor | None = current.for_in
    while clause is not None:
        clauses.append(clause)
        clause = clause.inner_for_in
    if change.index >= len(clauses):
        raise RefusedError("the comprehension has no such clause")
    rebuilt = clauses[change.index].with_changes(asynchronous=new)
    for outer in reversed(clauses[: change.index]):
        rebuilt = outer.with_changes(inner_for_in=rebuilt)
    return current.with_changes(for_in=rebuilt)


def _rename_import(first: _First, change: RenameImport, _holes: object, _original: object, current: Any) -> Any:
    assert isinstance(current, cst.ImportFrom)
    assert not isinstance(current.names, cst.ImportStar)
    names = list(current.names)
    index = next((i for i, item in enumerate(names) if item.evaluated_name == change.name), None)
    if index is None:
        raise RefusedError("the import is changed by another fix")
    same_module = change.new_module == _module_of(current)
    if len(names) > 1 and not same_module:
        return expressions.remove_import_name(current, change.name)
    item = names[index]
    local = item.evaluated_alias or change.name
    asname = item.asname
    if not change.keep_local or local == change.new_name:
        asname = None
    elif asname is None:
        asname = cst.AsName(name=cst.Name(local))
    names[index] = item.with_changes(name=cst.Name(change.new_name), asname=asname)
    if same_module:
        return current.with_changes(names=names)
    module = first.templates.expression(change.new_module)
    if not isinstance(module, (cst.Name, cst.Attribute)):
        raise RefusedError(f"{change.new_module!r} is not a module")
    return current.with_changes(module=module, relative=(), names=names)


def import_text(module: str, name: str, alias: str) -> str:
    """The text of an import statement."""
    rename = f" as {alias}" if alias and alias != name else ""
    return f"from {module} import {name}{rename}" if name else f"import {module}{f' as {alias}' if alias else ''}"


def _replace_import(first: _First, change: ReplaceImport, _holes: object, _original: object, current: Any) -> Any:
    return migration_edits.replace_import(first.templates, change, current)


def _while_to_async_for(
    first: _First, _change: WhileToAsyncFor, holes: tuple[cst.CSTNode, ...], original: cst.CSTNode, current: Any
) -> Any:
    iterable = first.node_of(holes[0], original, current)
    assert isinstance(iterable, cst.BaseExpression)
    return migration_edits.while_to_async_for(iterable, current)


def _add_import_name(_first: _First, change: AddImportName, _holes: object, _original: object, current: Any) -> Any:
    if not isinstance(current, cst.ImportFrom):
        raise RefusedError("it is not a from-import")
    return expressions.add_import_name(current, change.name, change.alias)


_HANDLERS: dict[type, Callable[..., Any]] = {
    ReplaceExpr: _replace,
    RenameName: _rename,
    SetKeyword: _set_keyword,
    RemoveKeyword: _remove_keyword,
    RenameKeyword: _rename_keyword,
    RemoveElement: _remove_element,
    SpliceCall: _splice,
    SwapWithItems: _swap_items,
    SwapNestedWith: _swap_nested,
    HoistWith: _hoist,
    MakeAsync: _make_async,
    RenameImport: _rename_import,
    ReplaceImport: _replace_import,
    WhileToAsyncFor: _while_to_async_for,
    AddImportName: _add_import_name,
}


class _Plan:
    """What the second pass does at one statement."""

    def __init__(self, node: cst.CSTNode) -> None:
        self.node = node
        self.before: list[Callable[[], list[Any]]] = []
        self.after: list[Callable[[], list[Any]]] = []
        self.moved: MoveStatement | None = None
        self.deleted: set[int] = set()
        self.unwrapped = False
        self.apart = False
        self.leads = False


class _Second(cst.CSTTransformer):
    """The second pass: whole statements. Works on the tree that the first pass made, and finds its nodes by identity."""

    def __init__(self, first: _First) -> None:
        super().__init__()
        self._templates = first.templates
        self._plans: dict[int, _Plan] = {}
        self._current: dict[int, _Plan] = {}
        self._moved: dict[Anchor, Any] = {}
        self._top: list[Any] = []
        self._wraps: list[tuple[cst.CSTNode, cst.CSTNode, str]] = []
        for change in first.statements:
            self._plan(first, change)

    def _plan(self, first: _First, change: Change) -> None:
        match change:
            case MoveStatement(statement, target, after):
                line = self._whole_line(first, statement)
                self._at(line).moved = change
                self._moved[statement] = line
                self._insert(self._whole_line(first, target), lambda: [self._moved[statement]], after)
            case InsertStatement(target, text, after, leads):
                new = self._templates.statements(text)
                line = self._whole_line(first, target)
                self._insert(line, lambda: list(new), after)
                self._at(line).leads |= leads
            case DeleteStatement(anchor):
                itself, line = first.statement(anchor)
                self._at(line).deleted.add(id(itself))
            case Unwrap(anchor):
                self._at(self._whole_line(first, anchor)).unwrapped = True
            case WrapStatementsInTry(one, other, text):
                start, end = self._whole_line(first, one), self._whole_line(first, other)
                self._at(start)
                self._at(end)
                self._wraps.append((start, end, text))
            case RenameImport(anchor, name, new_module, new_name, keep_local):
                node = first.tree.find(anchor)
                assert isinstance(node, cst.ImportFrom)
                assert not isinstance(node.names, cst.ImportStar)
                item = next(item for item in node.names if item.evaluated_name == name)
                alias = item.evaluated_alias or name if keep_local else ""
                new = self._templates.statements(import_text(new_module, new_name, alias))
                self._insert(self._whole_line(first, anchor), lambda: list(new), True)
            case ReplaceImport(anchor):
                texts = migration_edits.check_import(first.tree.find(anchor), change)
                new = [statement for text in texts for statement in self._templates.statements(text)]
                self._insert(self._whole_line(first, anchor), lambda: list(new), True)
            case PlaceImport(place, text, after, apart):
                new = self._templates.statements(text)
                if place is None:
                    self._top += new
                    return
                line = first.statement(place)[1]
                self._at(line).apart |= apart
                self._insert(line, lambda: list(new), after)

    @staticmethod
    def _whole_line(first: _First, anchor: Anchor) -> cst.CSTNode:
        itself, line = first.statement(anchor)
        if line is not itself and (not isinstance(line, cst.SimpleStatementLine) or len(line.body) > 1):
            raise RefusedError("the statement shares its line with another one")
        return line

    def _at(self, node: cst.CSTNode) -> _Plan:
        return self._plans.setdefault(id(node), _Plan(node))

    def _insert(self, node: cst.CSTNode, make: Callable[[], list[Any]], after: bool) -> None:
        plan = self._at(node)
        (plan.after if after else plan.before).append(make)

    def on_leave(self, original_node, updated_node):  # type: ignore[no-untyped-def]
        plan = self._plans.get(id(original_node))
        if plan is not None:
            if plan.deleted and isinstance(updated_node, (cst.SimpleStatementLine, cst.SimpleStatementSuite)):
                updated_node = self._without(plan, original_node, updated_node)
            self._current[id(updated_node)] = plan
            plan.node = updated_node
        if isinstance(updated_node, (cst.IndentedBlock, cst.Module)):
            return self._block(updated_node)
        return updated_node

    @staticmethod
    def _without(plan: _Plan, original: Any, updated: Any) -> Any:
        kept = [new for old, new in zip(original.body, updated.body, strict=True) if id(old) not in plan.deleted]
        if not kept and isinstance(updated, cst.SimpleStatementLine):
            return updated
        plan.deleted = set()
        if not kept:
            return updated.with_changes(body=[cst.Pass()])
        kept[-1] = kept[-1].with_changes(semicolon=cst.MaybeSentinel.DEFAULT)
        return updated.with_changes(body=kept)

    def _block(self, block: Any) -> Any:
        plans = [self._current.get(id(child)) for child in block.body]
        top = self._top if isinstance(block, cst.Module) else []
        if not any(plans) and not top:
            return block
        body: list[Any] = list(top)
        places: dict[int, int] = {}
        carried: list[cst.EmptyLine] = []
        opened = apart = False
        for index, (child, plan) in enumerate(zip(block.body, plans, strict=True)):
            if carried:
                child, carried = _lead(child, _merge(carried, child.leading_lines)), []
            if apart and not child.leading_lines:
                child = _lead(child, [cst.EmptyLine(indent=False)])
            apart = False
            if plan is None:
                body.append(child)
                continue
            above, own = split_leading(child.leading_lines)
            before = [statement for make in plan.before for statement in make()]
            if before:
                gap = _gap(child, above, isinstance(block, cst.Module))
                if not gap and isinstance(before[0], cst.FunctionDef):
                    # a definition stands apart from the statements around it
                    gap = [cst.EmptyLine(indent=False) for _ in range(2 if isinstance(block, cst.Module) else 1)]
                    above = [*gap[: max(len(gap) - len(above), 0)], *above] if body else above
                together = body and isinstance(body[-1], cst.SimpleStatementLine) and not isinstance(before[0], cst.FunctionDef)
                if gap and together and len(above) == 2 and not any(x.comment for x in above):
                    above = above[1:]
                led, own = (own, []) if plan.leads else ([], own)
                before[0] = _lead(before[0], [*above, *led, *split_leading(before[0].leading_lines)[1]])
                above = [cst.EmptyLine(indent=False)] if plan.apart else gap
                child = _lead(child, [*above, *own])
                body += before
            if plan.moved is not None:
                self._moved[plan.moved.statement] = _lead(child, own)
                carried, opened = above, opened or index == 0
            elif plan.deleted:
                carried, opened = [*above, *own], opened or index == 0
            elif plan.unwrapped:
                inner, carried = _unwrapped(child)
                body += inner
            else:
                places[id(plan)] = len(body)
                body.append(child)
            after = [statement for make in plan.after for statement in make()]
            if after and plan.apart:
                after[0], apart = _lead(after[0], [cst.EmptyLine(indent=False), *after[0].leading_lines]), True
            body += after
        for start, end, text in self._wraps:
            self._wrap(body, places, start, end, text)
        if opened and body and isinstance(block, cst.IndentedBlock):
            lines = list(body[0].leading_lines)
            while lines and lines[0].comment is None:
                lines.pop(0)
            body[0] = _lead(body[0], lines)
        if top and block.body and len(body) > len(top) and not body[len(top)].leading_lines:
            body[len(top)] = _lead(body[len(top)], [cst.EmptyLine(indent=False)])
        if not body and isinstance(block, cst.IndentedBlock):
            body = [cst.SimpleStatementLine([cst.Pass()])]
        comments = [line for line in carried if line.comment is not None]
        block = block.with_changes(body=body, footer=[*comments, *block.footer])
        if isinstance(block, cst.Module):
            # libcst writes a line end for an empty module, too.
            return block.with_changes(has_trailing_newline=bool(body) and (block.has_trailing_newline or bool(top)))
        return block

    def _wrap(self, body: list[Any], places: dict[int, int], start: cst.CSTNode, end: cst.CSTNode, text: str) -> None:
        first, last = places.get(id(self._plans[id(start)])), places.get(id(self._plans[id(end)]))
        if first is None and last is None:
            return
        if first is None or last is None or last < first:
            raise RefusedError("the statements are not in one block")
        run = body[first : last + 1]
        above, own = split_leading(run[0].leading_lines)
        run[0] = _lead(run[0], own)
        final = cst.Finally(body=cst.IndentedBlock(body=self._templates.statements(text)))
        body[first : last + 1] = [cst.Try(leading_lines=above, body=cst.IndentedBlock(body=run), finalbody=final)]
        shift = last - first
        for key, place in places.items():
            if place > last:
                places[key] = place - shift


def _gap(node: object, above: list[cst.EmptyLine], top: bool) -> list[cst.EmptyLine]:
    """The empty lines between a definition and a statement that is put in front of it: as many as it had, or as usual."""
    if not isinstance(node, (cst.FunctionDef, cst.ClassDef)):
        return []
    count = next((i for i, line in enumerate(reversed(above)) if line.comment is not None), len(above))
    return [cst.EmptyLine(indent=False) for _ in range(count or (2 if top else 1))]


def _without_last_comment(final: cst.Finally) -> cst.Finally:
    """The ``finally`` without the comment behind its only statement, which goes along with it."""
    block = final.body
    if not isinstance(block, cst.IndentedBlock) or len(block.body) != 1 or not isinstance(block.body[0], cst.SimpleStatementLine):
        return final
    bare = block.body[0].with_changes(trailing_whitespace=cst.TrailingWhitespace())
    return final.with_changes(body=block.with_changes(body=[bare]))


def _unwrapped(node: Any) -> tuple[list[Any], list[cst.EmptyLine]]:
    """The statements that take the place of a ``with`` or of a ``try`` without its ``finally``, and comments for what follows."""
    if isinstance(node, cst.With):
        gone: list[cst.CSTNode] = [*node.items, *(part for part in (node.lpar, node.rpar) if isinstance(part, cst.CSTNode))]
    elif isinstance(node, (cst.Try, cst.TryStar)) and node.finalbody is not None:
        gone = [_without_last_comment(node.finalbody)]
        if node.handlers:
            if expressions.comments_of(gone):
                raise RefusedError("a comment would be lost with the finally")
            return [node.with_changes(finalbody=None)], []
    else:
        raise RefusedError("it is neither a with nor a try with finally")
    block = node.body
    if not isinstance(block, cst.IndentedBlock):
        raise RefusedError("the statement stands on one line")
    if expressions.comments_of(gone):
        raise RefusedError("a comment would be lost with the statement")
    body: list[Any] = list(block.body)
    own = list(body[0].leading_lines) if isinstance(body[0], _LEADING) else []
    while own and own[0].comment is None:
        own.pop(0)
    # what stood behind the colon gets a line of its own
    behind = [cst.EmptyLine(comment=block.header.comment)] if block.header.comment is not None else []
    body[0] = _lead(body[0], [*node.leading_lines, *behind, *own])
    return body, [line for line in block.footer if line.comment is not None]


def _lead(node: Any, lines: Iterable[cst.EmptyLine]) -> Any:
    if not isinstance(node, _LEADING):
        raise RefusedError("the statement cannot be moved")
    return cast(Any, node).with_changes(leading_lines=list(lines))


def _merge(carried: list[cst.EmptyLine], own: _Lines) -> list[cst.EmptyLine]:
    """The lines above what follows a statement that went: its comments stay, its empty lines only where there were none."""
    if any(line.comment is not None for line in carried):
        return [*carried, *own]
    return list(own) if own and own[0].comment is None else [*carried, *own]
