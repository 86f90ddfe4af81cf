"""The two edits that only migrations need, on libcst nodes: names of imports taken from elsewhere, and a loop of another form."""

from typing import Any

import libcst as cst

from flake8_mongo_threads.edits import MovedName, ReplaceImport
from flake8_mongo_threads.fixes import expressions
from flake8_mongo_threads.fixes.expressions import Templates
from flake8_mongo_threads.fixes.locate import RefusedError


def module_of(node: cst.ImportFrom) -> str:
    """The module of a ``from`` import as it is written, dots included."""
    return "." * len(node.relative) + (cst.Module([]).code_for_node(node.module) if node.module else "")


def _moves(node: cst.Import | cst.ImportFrom, change: ReplaceImport) -> dict[str, list[MovedName]]:
    """The moves out of the statement by name; a new name in the same module is no move."""
    found: dict[str, list[MovedName]] = {}
    for move in change.moves:
        if isinstance(node, cst.Import) or move.new_module != module_of(node):
            found.setdefault(move.name, []).append(move)
    return found


class _Group:
    """The new import of one module: (name, alias) without repeats, and the comments that go along."""

    def __init__(self) -> None:
        self.names: dict[tuple[str, str], None] = {}
        self.comments: list[str] = []

    def text(self, module: str) -> str:
        listed = ", ".join(f"{name} as {alias}" if alias and alias != name else name for name, alias in sorted(self.names))
        return "  ".join([f"from {module} import {listed}", *self.comments])


def _groups(node: cst.Import | cst.ImportFrom, change: ReplaceImport) -> dict[str, _Group]:
    """What becomes of the names that go, by their new module, sorted."""
    assert not isinstance(node.names, cst.ImportStar)
    groups: dict[str, _Group] = {}
    plain = isinstance(node, cst.Import)
    for item in node.names:
        moves = _moves(node, change).get(item.evaluated_name, [])
        for move in moves:
            if not move.new_module:
                continue
            alias = (item.evaluated_alias or "") if move.keep_alias and not plain else ""
            group = groups.setdefault(move.new_module, _Group())
            group.names.setdefault((move.new_name, alias))
            comment = _comment_of(item)
            if comment and move is moves[0]:
                group.comments.append(comment)
    return dict(sorted(groups.items()))


def _comment_of(item: cst.ImportAlias) -> str:
    """The comment at the end of an imported name's line."""
    space = item.comma.whitespace_after if isinstance(item.comma, cst.Comma) else None
    comment = space.first_line.comment if isinstance(space, cst.ParenthesizedWhitespace) else None
    return comment.value if comment is not None else ""


def _without(node: cst.ImportFrom, name: str) -> cst.ImportFrom:
    """The statement without a name; a comment at the end of the name's line goes along, any other refuses."""
    assert not isinstance(node.names, cst.ImportStar)
    names = []
    for item in node.names:
        if item.evaluated_name == name and _comment_of(item):
            comma = item.comma
            assert isinstance(comma, cst.Comma)
            space = comma.whitespace_after
            assert isinstance(space, cst.ParenthesizedWhitespace)
            ending = cst.TrailingWhitespace(newline=space.first_line.newline)
            item = item.with_changes(comma=comma.with_changes(whitespace_after=space.with_changes(first_line=ending)))
        names.append(item)
    return expressions.remove_import_name(node.with_changes(names=names), name)


def _left(node: cst.Import | cst.ImportFrom, change: ReplaceImport) -> bool:
    """Whether names are left in the statement that is there."""
    assert not isinstance(node.names, cst.ImportStar)
    gone = _moves(node, change)
    return any(item.evaluated_name not in gone for item in node.names)


def check_import(node: cst.CSTNode, change: ReplaceImport) -> list[str]:
    """The import statements that follow the changed one. Raises RefusedError when it is not what the edit says."""
    if not isinstance(node, (cst.Import, cst.ImportFrom)) or isinstance(node.names, cst.ImportStar):
        raise RefusedError("it is not a plain import")
    names = {item.evaluated_name for item in node.names}
    for move in change.moves:
        if move.name not in names:
            raise RefusedError(f"{move.name!r} is not imported there")
    texts = [group.text(module) for module, group in _groups(node, change).items()]
    if _left(node, change):
        return texts
    if not texts:
        raise RefusedError("nothing would be left of the import")
    return texts[1:]


def replace_import(templates: Templates, change: ReplaceImport, current: Any) -> Any:
    """The statement that stands where the import stood."""
    if _left(current, change):
        return _reduced_import(current, change) if isinstance(current, cst.Import) else _reduced(current, change)
    module, group = next(iter(_groups(current, change).items()))
    moves = _moves(current, change)
    if isinstance(current, cst.Import) or any(len(of) > 1 for of in moves.values()):
        if expressions.comments_of([current]):
            raise RefusedError("a comment stands in the import")
        new = templates.statements(group.text(module))[0]
        assert isinstance(new, cst.SimpleStatementLine)
        return new.body[0].with_changes(semicolon=current.semicolon)
    here = set()
    for item in current.names:
        (move,) = moves[item.evaluated_name]
        pair = (move.new_name, item.evaluated_alias or "")
        if move.new_module != module or pair in here:
            current = _without(current, item.evaluated_name)
        here.add(pair if move.new_module == module else ("", item.evaluated_name))
    renamed = [_named(item, moves[item.evaluated_name][0]) for item in current.names]
    place = templates.expression(module)
    assert isinstance(place, (cst.Name, cst.Attribute))
    new = current.with_changes(module=place, relative=(), names=renamed)
    if new.lpar is None or expressions.comments_of([new]) or len(group.text(module)) > 79:
        return new
    # Brackets over several lines were there for names that went.
    bare = [item.with_changes(comma=cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))) for item in renamed]
    bare[-1] = bare[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
    return new.with_changes(names=bare, lpar=None, rpar=None)


def _named(item: cst.ImportAlias, move: MovedName) -> cst.ImportAlias:
    asname = item.asname if move.keep_alias and item.evaluated_alias != move.new_name else None
    if item.asname is not None and item.evaluated_alias == item.evaluated_name:
        # `x as x` says that the name is passed on.
        asname = item.asname.with_changes(name=cst.Name(move.new_name))
    return item.with_changes(name=cst.Name(move.new_name), asname=asname)


def _reduced(node: cst.ImportFrom, change: ReplaceImport) -> cst.ImportFrom:
    for name in _moves(node, change):
        node = _without(node, name)
    same = {move.name: move for move in change.moves if move.new_module == module_of(node)}
    assert not isinstance(node.names, cst.ImportStar)
    return node.with_changes(names=[_named(i, same[i.evaluated_name]) if i.evaluated_name in same else i for i in node.names])


def _reduced_import(node: cst.Import, change: ReplaceImport) -> cst.Import:
    gone = {move.name for move in change.moves}
    if expressions.comments_of([node]):
        raise RefusedError("a comment stands in the import")
    kept = [item for item in node.names if item.evaluated_name not in gone]
    kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
    return node.with_changes(names=kept)


def while_to_async_for(iterable: cst.BaseExpression, current: Any) -> cst.For:
    """The loop in its new form."""
    if not isinstance(current, cst.While) or not isinstance(current.body, cst.IndentedBlock) or current.orelse is not None:
        raise RefusedError("it is not a plain while loop")
    first, *rest = current.body.body
    if not isinstance(first, cst.SimpleStatementLine) or len(first.body) != 1 or not isinstance(first.body[0], cst.Assign):
        raise RefusedError("the loop does not begin with an assignment")
    assign = first.body[0]
    if len(assign.targets) != 1:
        raise RefusedError("the loop does not begin with a plain assignment")
    target = assign.targets[0].target
    if expressions.comments_of([current.test, assign]):
        raise RefusedError("a comment inside the loop's condition would be lost")
    header = current.body.header
    if first.trailing_whitespace.comment is not None:
        if header.comment is not None:
            raise RefusedError("a comment at the loop's first statement would be lost")
        header = first.trailing_whitespace
    body: list[Any] = list(rest) or [cst.SimpleStatementLine([cst.Pass()])]
    above = [line for line in first.leading_lines if line.comment is not None]
    own = list(body[0].leading_lines)
    while own and own[0].comment is None:
        own.pop(0)
    body[0] = body[0].with_changes(leading_lines=[*above, *own])
    assert isinstance(target, cst.BaseAssignTargetExpression)
    return cst.For(
        target=target,
        iter=iterable.deep_clone(),
        body=current.body.with_changes(body=body, header=header),
        asynchronous=cst.Asynchronous(),
        leading_lines=current.leading_lines,
        whitespace_before_colon=current.whitespace_before_colon,
    )
