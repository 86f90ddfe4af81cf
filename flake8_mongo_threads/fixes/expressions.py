"""Putting expressions together: templates with holes, parentheses where precedence needs them, items between commas."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

import libcst as cst

from flake8_mongo_threads.fixes.locate import RefusedError

_HOLE = re.compile(r"\{(\d+)(\*?)\}")

# Binding strength, from the language reference: a higher number binds tighter.
_YIELD, _NAMED, _LAMBDA, _CONDITIONAL, _OR, _AND, _NOT, _COMPARISON = range(8)
_BIT_OR, _BIT_XOR, _BIT_AND, _SHIFT, _SUM, _PRODUCT, _SIGN, _POWER, _AWAIT, _PRIMARY, _ATOM = range(8, 19)

_BINARY: dict[type[cst.BaseBinaryOp], int] = {
    cst.BitOr: _BIT_OR,
    cst.BitXor: _BIT_XOR,
    cst.BitAnd: _BIT_AND,
    cst.LeftShift: _SHIFT,
    cst.RightShift: _SHIFT,
    cst.Add: _SUM,
    cst.Subtract: _SUM,
    cst.Multiply: _PRODUCT,
    cst.Divide: _PRODUCT,
    cst.FloorDivide: _PRODUCT,
    cst.Modulo: _PRODUCT,
    cst.MatrixMultiply: _PRODUCT,
    cst.Power: _POWER,
}
_NEEDED: dict[tuple[str, str], int] = {
    ("Attribute", "value"): _PRIMARY,
    ("Call", "func"): _PRIMARY,
    ("Subscript", "value"): _PRIMARY,
    ("Await", "expression"): _PRIMARY,
    ("Comparison", "left"): _BIT_OR,
    ("ComparisonTarget", "comparator"): _BIT_OR,
    ("IfExp", "body"): _OR,
    ("IfExp", "test"): _OR,
    ("IfExp", "orelse"): _LAMBDA,
    ("Lambda", "body"): _LAMBDA,
    ("NamedExpr", "value"): _LAMBDA,
    ("StarredElement", "value"): _BIT_OR,
    ("StarredDictElement", "value"): _BIT_OR,
    ("Element", "value"): _NAMED,
    ("DictElement", "key"): _LAMBDA,
    ("DictElement", "value"): _LAMBDA,
    ("CompFor", "iter"): _OR,
    ("CompIf", "test"): _OR,
    ("ListComp", "elt"): _NAMED,
    ("SetComp", "elt"): _NAMED,
    ("GeneratorExp", "elt"): _NAMED,
    ("DictComp", "key"): _LAMBDA,
    ("DictComp", "value"): _LAMBDA,
    ("Index", "value"): _LAMBDA,
    ("Slice", "lower"): _LAMBDA,
    ("Slice", "upper"): _LAMBDA,
    ("Slice", "step"): _LAMBDA,
    ("Expr", "value"): _LAMBDA,
    ("Return", "value"): _LAMBDA,
    ("Assign", "value"): _LAMBDA,
    ("AnnAssign", "value"): _LAMBDA,
    ("AugAssign", "value"): _LAMBDA,
    ("For", "iter"): _LAMBDA,
    ("WithItem", "item"): _LAMBDA,
    ("If", "test"): _NAMED,
    ("While", "test"): _NAMED,
    ("Assert", "test"): _LAMBDA,
    ("Assert", "msg"): _LAMBDA,
    ("Raise", "exc"): _LAMBDA,
    ("From", "item"): _LAMBDA,
    ("Yield", "value"): _LAMBDA,
    ("Decorator", "decorator"): _NAMED,
    ("Param", "default"): _LAMBDA,
    ("Annotation", "annotation"): _LAMBDA,
    # A lambda's or a conditional's colon would be read as the start of the format.
    ("FormattedStringExpression", "expression"): _OR,
}


def strength(node: cst.BaseExpression) -> int:
    """How tightly an expression binds, its own parentheses included."""
    if node.lpar:
        return _ATOM
    if isinstance(node, (cst.Yield, cst.Tuple)):
        return _YIELD
    if isinstance(node, cst.NamedExpr):
        return _NAMED
    if isinstance(node, cst.Lambda):
        return _LAMBDA
    if isinstance(node, cst.IfExp):
        return _CONDITIONAL
    if isinstance(node, cst.BooleanOperation):
        return _OR if isinstance(node.operator, cst.Or) else _AND
    if isinstance(node, cst.UnaryOperation):
        return _NOT if isinstance(node.operator, cst.Not) else _SIGN
    if isinstance(node, cst.Comparison):
        return _COMPARISON
    if isinstance(node, cst.BinaryOperation):
        return _BINARY[type(node.operator)]
    if isinstance(node, cst.Await):
        return _AWAIT
    if isinstance(node, (cst.Call, cst.Attribute, cst.Subscript)):
        return _PRIMARY
    if isinstance(node, cst.GeneratorExp):
        return _YIELD
    return _ATOM


def _needed(parent: cst.CSTNode, field: str) -> int:
    if isinstance(parent, cst.BinaryOperation):
        own = _BINARY[type(parent.operator)]
        if own == _POWER:
            return _AWAIT if field == "left" else _SIGN
        return own if field == "left" else own + 1
    if isinstance(parent, cst.BooleanOperation):
        own = _OR if isinstance(parent.operator, cst.Or) else _AND
        return own if field == "left" else own + 1
    if isinstance(parent, cst.UnaryOperation):
        return _NOT if isinstance(parent.operator, cst.Not) else _SIGN
    if isinstance(parent, cst.Arg):
        # `*a or b` is legal, but nobody reads it right.
        return _BIT_OR if parent.star else _LAMBDA if parent.keyword else _NAMED
    return _NEEDED.get((type(parent).__name__, field), _ATOM)


def field_of(parent: cst.CSTNode, child: cst.CSTNode) -> str:
    """The name of the parent's field that holds the child (by identity)."""
    for name in parent.__dataclass_fields__:
        value = getattr(parent, name)
        if value is child or (isinstance(value, (list, tuple)) and any(item is child for item in value)):
            return name
    return ""


def parenthesised(node: cst.BaseExpression) -> cst.BaseExpression:
    """The expression in one more pair of parentheses."""
    return node.with_changes(lpar=[cst.LeftParen(), *node.lpar], rpar=[*node.rpar, cst.RightParen()])


def bare(node: cst.BaseExpression) -> cst.BaseExpression:
    """The expression without its own parentheses (they stay where they are, around what takes its place)."""
    if isinstance(node, cst.GeneratorExp) or not node.lpar:
        return node
    return node.with_changes(lpar=[], rpar=[])


def fit(node: cst.BaseExpression, parent: cst.CSTNode, field: str) -> cst.BaseExpression:
    """The expression, in parentheses when it cannot stand bare in that field of that parent."""
    needed = _needed(parent, field)
    if isinstance(node, cst.Tuple) and not node.lpar:
        bare_tuple = {("Expr", "value"), ("Return", "value"), ("Assign", "value"), ("For", "iter"), ("Index", "value"), ("Yield", "value")}
        return node if (type(parent).__name__, field) in bare_tuple else parenthesised(node)
    if isinstance(node, cst.Integer) and (type(parent).__name__, field) == ("Attribute", "value") and not node.lpar:
        return parenthesised(node)
    return node if strength(node) >= needed else parenthesised(node)


class _Comments(cst.CSTVisitor):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def visit_Comment(self, node: cst.Comment) -> None:
        self.found.append(node.value)


def comments_of(nodes: Iterable[cst.CSTNode]) -> Counter[str]:
    """All comments inside these nodes, counted."""
    visitor = _Comments()
    for node in nodes:
        node.visit(visitor)
    return Counter(visitor.found)


class _Fill(cst.CSTTransformer):
    """Puts nodes in the place of placeholder names, with parentheses where they are needed."""

    def __init__(self, holes: Mapping[str, cst.CSTNode], spread: Mapping[str, cst.Call]) -> None:
        super().__init__()
        self._holes = holes
        self._spread = spread
        self._stack: list[cst.CSTNode] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        self._stack.append(node)
        return True

    def on_leave(self, original_node, updated_node):  # type: ignore[no-untyped-def]
        self._stack.pop()
        if isinstance(original_node, cst.Name) and original_node.value in self._holes:
            hole = self._holes[original_node.value]
            if isinstance(hole, cst.Arg):
                return original_node
            if not isinstance(hole, cst.BaseExpression):
                raise RefusedError("a template's hole is not an expression")
            if not self._stack:
                return hole
            return fit(hole, self._stack[-1], field_of(self._stack[-1], original_node))
        if isinstance(original_node, cst.Arg) and isinstance(original_node.value, cst.Name):
            argument = self._holes.get(original_node.value.value)
            if isinstance(argument, cst.Arg):
                return argument.with_changes(comma=updated_node.comma, whitespace_after_arg=updated_node.whitespace_after_arg)
        if isinstance(original_node, cst.Call):
            return self._spread_arguments(updated_node)
        if isinstance(updated_node, cst.Await) and isinstance(updated_node.expression, cst.Await):
            return updated_node.expression
        return updated_node

    def _spread_arguments(self, call: cst.Call) -> cst.Call:
        for index, argument in enumerate(call.args):
            if isinstance(argument.value, cst.Name) and argument.value.value in self._spread:
                return spread_arguments(call, index, self._spread[argument.value.value])
        return call


def _separator(whitespace: cst.BaseParenthesizableWhitespace) -> cst.BaseParenthesizableWhitespace:
    """What to put after a comma so that the next item stands as the first one does after the bracket."""
    if isinstance(whitespace, cst.ParenthesizedWhitespace):
        return whitespace.with_changes(first_line=cst.TrailingWhitespace(newline=whitespace.first_line.newline), empty_lines=[])
    return cst.SimpleWhitespace(" ")


def _sole_generator(arguments: list[cst.Arg]) -> list[cst.Arg]:
    """A generator that shares the call's parentheses needs its own once it is not alone."""
    if len(arguments) == 1 and isinstance(arguments[0].value, cst.GeneratorExp) and not arguments[0].value.lpar:
        return [arguments[0].with_changes(value=parenthesised(arguments[0].value))]
    return arguments


def spread_arguments(call: cst.Call, index: int, inner: cst.Call) -> cst.Call:
    """Replace the argument at ``index`` by all arguments of ``inner``, laid out as they are."""
    before, placeholder, after = list(call.args[:index]), call.args[index], list(call.args[index + 1 :])
    # A lone generator argument is never alone here when something stands before or after it.
    middle = _sole_generator(list(inner.args)) if before or after else list(inner.args)
    if not middle:
        if before and not after:
            before[-1] = before[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        return call.with_changes(args=[*before, *after])
    opening = inner.whitespace_before_args
    multi_line = isinstance(opening, cst.ParenthesizedWhitespace)
    if after:
        last = middle[-1]
        if comments_of([last.comma] if isinstance(last.comma, cst.Comma) else []) or comments_of([last.whitespace_after_arg]):
            raise RefusedError("a comment inside the expression would be lost")
        middle[-1] = last.with_changes(comma=placeholder.comma, whitespace_after_arg=cst.SimpleWhitespace(""))
    if index == 1:
        before[0] = before[0].with_changes(value=_chain(before[0].value, opening))
    if multi_line and before:
        comma = cst.Comma(whitespace_after=_separator(opening))
        before[-1] = before[-1].with_changes(comma=comma)
    if multi_line and index <= 1:
        return call.with_changes(args=[*before, *middle, *after], whitespace_before_args=opening)
    if comments_of([opening]):
        raise RefusedError("a comment inside the expression would be lost")
    return call.with_changes(args=[*before, *middle, *after])


def _chain(node: cst.BaseExpression, opening: cst.BaseParenthesizableWhitespace) -> cst.BaseExpression:
    """A callee that has become an argument: its dots stand under its beginning, or without comments in one line with the arguments."""
    spine: list[cst.BaseExpression] = []
    while isinstance(node, (cst.Attribute, cst.Call, cst.Subscript)) and not node.lpar:
        spine.append(node)
        node = node.func if isinstance(node, cst.Call) else node.value
    dots = [part.dot for part in spine if isinstance(part, cst.Attribute)]
    multi_line = isinstance(opening, cst.ParenthesizedWhitespace)
    if not multi_line and comments_of(dots):
        return spine[0] if spine else node
    for part in reversed(spine):
        if isinstance(part, cst.Attribute):
            before, after = part.dot.whitespace_before, part.dot.whitespace_after
            if isinstance(opening, cst.ParenthesizedWhitespace):
                if isinstance(before, cst.ParenthesizedWhitespace):
                    before = before.with_changes(indent=opening.indent, last_line=opening.last_line)
                elif _unbroken(before) is not before:
                    before = _separator(opening)
            elif not multi_line:
                before, after = _unbroken(before), _unbroken(after)
            node = part.with_changes(value=node, dot=part.dot.with_changes(whitespace_before=before, whitespace_after=after))
        else:
            node = part.with_changes(**{"func" if isinstance(part, cst.Call) else "value": node})
    return node


def _unbroken(space: cst.BaseParenthesizableWhitespace) -> cst.BaseParenthesizableWhitespace:
    """No space instead of the end of a line."""
    broken = isinstance(space, cst.ParenthesizedWhitespace) or "\\" in space.value  # type: ignore[attr-defined]
    return cst.SimpleWhitespace("") if broken else space


def splice_call(outer: cst.Call, index: int, inner: cst.Call) -> cst.Call:
    """Replace the positional argument ``index`` of ``outer``, the call ``inner``, by its callee and its arguments."""
    argument = outer.args[index]
    if argument.star or argument.keyword:
        raise RefusedError("the call is not a plain positional argument")
    middle = _sole_generator(list(inner.args))
    if inner.lpar and comments_of([*inner.lpar, *inner.rpar]):
        raise RefusedError("a comment inside the expression would be lost")
    if not middle:
        if comments_of([inner.whitespace_before_args]):
            raise RefusedError("a comment inside the expression would be lost")
        return outer.with_changes(args=[*outer.args[:index], argument.with_changes(value=inner.func), *outer.args[index + 1 :]])
    opening = inner.whitespace_before_args
    after = opening if isinstance(opening, cst.ParenthesizedWhitespace) else cst.SimpleWhitespace(" ")
    if len(outer.args) == 1 and isinstance(after, cst.ParenthesizedWhitespace) and not _on_lines_of_its_own(outer, argument):
        # the brackets of the inner call become those of the outer one
        callee = argument.with_changes(value=inner.func, comma=cst.Comma(whitespace_after=_separator(after)))
        return outer.with_changes(args=[callee, *middle], whitespace_before_args=opening)
    callee = argument.with_changes(value=inner.func, comma=cst.Comma(whitespace_after=after), whitespace_after_arg=cst.SimpleWhitespace(""))
    callee, *middle = (_indented_as(outer.whitespace_before_args, part) for part in (callee, *middle))
    last = middle[-1]
    if isinstance(argument.comma, cst.Comma) or not comments_of([last]):
        lost = [last.whitespace_after_arg, *([last.comma] if isinstance(last.comma, cst.Comma) else [])]
        if comments_of(lost):
            raise RefusedError("a comment inside the expression would be lost")
        comma = argument.comma
        if (
            not isinstance(comma, cst.Comma)
            and isinstance(last.comma, cst.Comma)
            and isinstance(argument.whitespace_after_arg, cst.ParenthesizedWhitespace)
        ):
            comma = last.comma.with_changes(whitespace_after=argument.whitespace_after_arg)
            middle[-1] = last.with_changes(comma=comma)
        else:
            middle[-1] = last.with_changes(comma=comma, whitespace_after_arg=argument.whitespace_after_arg)
    return outer.with_changes(args=[*outer.args[:index], callee, *middle, *outer.args[index + 1 :]])


def _on_lines_of_its_own(call: cst.Call, argument: cst.Arg) -> bool:
    """Whether the only argument of a call does not begin, or end, next to the brackets."""
    comma = argument.comma
    around = [
        call.whitespace_before_args,
        argument.whitespace_after_arg,
        *([comma.whitespace_after] if isinstance(comma, cst.Comma) else []),
    ]
    return any(isinstance(space, cst.ParenthesizedWhitespace) for space in around)


def _indented_as(opening: cst.BaseParenthesizableWhitespace, argument: cst.Arg) -> cst.Arg:
    """The argument with the lines behind its comma indented as those of the call that it comes into."""
    comma = argument.comma
    if not isinstance(opening, cst.ParenthesizedWhitespace) or not isinstance(comma, cst.Comma):
        return argument
    after = comma.whitespace_after
    if not isinstance(after, cst.ParenthesizedWhitespace):
        return argument
    between = [
        line if line.comment is None else line.with_changes(indent=opening.indent, whitespace=opening.last_line)
        for line in after.empty_lines
    ]
    space = after.with_changes(indent=opening.indent, last_line=opening.last_line, empty_lines=between)
    return argument.with_changes(comma=comma.with_changes(whitespace_after=space))


class Templates:
    """Parses source text of templates and statements as the file at hand is written: its newline, its indentation."""

    def __init__(self, module: cst.Module) -> None:
        self._module = module
        self._config = module.config_for_parsing

    def expression(self, text: str) -> cst.BaseExpression:
        """Parse an expression. Raises RefusedError."""
        try:
            return cst.parse_expression(text, config=self._config)
        except cst.ParserSyntaxError:
            raise RefusedError(f"the replacement {text!r} is not an expression") from None

    def fill(self, text: str, holes: list[cst.CSTNode]) -> cst.BaseExpression:
        """Parse an expression template and put nodes into its holes. Raises RefusedError."""
        names: dict[str, cst.CSTNode] = {}
        spread: dict[str, cst.Call] = {}

        def placeholder(match: "re.Match[str]") -> str:
            index = int(match.group(1))
            if index >= len(holes):
                raise RefusedError(f"the replacement {text!r} has no node for {match.group(0)}")
            node = holes[index]
            name = f"__hole_{index}{'_arguments' if match.group(2) else ''}__"
            if not match.group(2):
                names[name] = node
            elif isinstance(node, cst.Call):
                spread[name] = node
            else:
                raise RefusedError(f"{match.group(0)} in {text!r} is not a call")
            return name

        result = self.expression(_HOLE.sub(placeholder, text)).visit(_Fill(names, spread))
        assert isinstance(result, cst.BaseExpression)
        return result

    def statements(self, text: str) -> list[cst.BaseStatement]:
        """Parse statements written with four spaces and line feeds, in the file's own style. Raises RefusedError."""
        newline, indent = self._module.default_newline, self._module.default_indent
        lines = []
        for line in text.splitlines():
            body = line.lstrip(" ")
            depth, rest = divmod(len(line) - len(body), 4)
            lines.append(indent * depth + " " * rest + body)
        try:
            parsed = cst.parse_module(newline.join(lines) + newline, config=self._config)
        except cst.ParserSyntaxError:
            raise RefusedError(f"the new statement {text!r} is not Python") from None
        return [statement for statement in parsed.body if isinstance(statement, cst.BaseStatement)]

    def stands_alone(self, node: cst.CSTNode) -> bool:
        """Whether the expression's text is complete without brackets around it."""
        code = self._module.code_for_node(node)
        if "\n" not in code and "\r" not in code:
            return True
        try:
            cst.parse_expression(code, config=self._config)
        except cst.ParserSyntaxError:
            return False
        return True


def append_argument(call: cst.Call, argument: cst.Arg) -> cst.Call:
    """Append an argument, laid out as those that are there."""
    arguments = _sole_generator(list(call.args))
    if not arguments:
        return call.with_changes(args=[argument])
    last = arguments[-1]
    if len(arguments) > 1 and isinstance(arguments[0].comma, cst.Comma):
        between = _separator(arguments[0].comma.whitespace_after)
    else:
        between = _separator(call.whitespace_before_args)
    if isinstance(last.comma, cst.Comma):
        closing = last.comma.whitespace_after
        new_comma: cst.Comma | cst.MaybeSentinel = last.comma.with_changes(whitespace_after=_without_comment(closing))
        closing_arg: cst.BaseParenthesizableWhitespace = last.whitespace_after_arg
    else:
        closing = last.whitespace_after_arg
        new_comma = cst.MaybeSentinel.DEFAULT
        closing_arg = _without_comment(closing)
    after = between
    if isinstance(closing, cst.ParenthesizedWhitespace) and closing.first_line.comment is not None:
        if isinstance(between, cst.ParenthesizedWhitespace):
            after = between.with_changes(first_line=closing.first_line, empty_lines=closing.empty_lines)
        else:
            after, closing_arg = closing, cst.SimpleWhitespace("")
            new_comma = cst.MaybeSentinel.DEFAULT
    elif isinstance(closing, cst.ParenthesizedWhitespace) and closing.empty_lines and isinstance(between, cst.ParenthesizedWhitespace):
        after = between.with_changes(empty_lines=closing.empty_lines)
    arguments[-1] = last.with_changes(comma=cst.Comma(whitespace_after=after), whitespace_after_arg=cst.SimpleWhitespace(""))
    return call.with_changes(args=[*arguments, argument.with_changes(comma=new_comma, whitespace_after_arg=closing_arg)])


def _without_comment(whitespace: cst.BaseParenthesizableWhitespace) -> cst.BaseParenthesizableWhitespace:
    if isinstance(whitespace, cst.ParenthesizedWhitespace):
        return whitespace.with_changes(first_line=cst.TrailingWhitespace(newline=whitespace.first_line.newline), empty_lines=[])
    return whitespace


def remove_argument(call: cst.Call, index: int) -> cst.Call:
    """Remove an argument with its comma; a comment that speaks of its neighbour stays with the neighbour."""
    arguments = list(call.args)
    gone = arguments.pop(index)
    if not arguments:
        keep = comments_of([call.whitespace_before_args])
        return call.with_changes(args=[], whitespace_before_args=call.whitespace_before_args if keep else cst.SimpleWhitespace(""))
    if index < len(arguments):
        return call.with_changes(args=arguments)
    last = arguments[-1]
    kept = last.comma.whitespace_after if isinstance(last.comma, cst.Comma) else last.whitespace_after_arg
    first_line = kept.first_line if isinstance(kept, cst.ParenthesizedWhitespace) else None
    closing = gone.comma.whitespace_after if isinstance(gone.comma, cst.Comma) else gone.whitespace_after_arg
    if isinstance(closing, cst.ParenthesizedWhitespace):
        closing = closing.with_changes(first_line=first_line or cst.TrailingWhitespace(newline=closing.first_line.newline))
    elif first_line is not None and first_line.comment is not None:
        closing = kept
    if isinstance(gone.comma, cst.Comma):
        arguments[-1] = last.with_changes(comma=gone.comma.with_changes(whitespace_after=closing))
    else:
        arguments[-1] = last.with_changes(comma=cst.MaybeSentinel.DEFAULT, whitespace_after_arg=closing)
    return call.with_changes(args=arguments)


def _without_last(several: cst.Tuple) -> cst.Tuple:
    """A tuple without its last element; the comment on the line of the one before stays. Raises RefusedError."""
    *elements, before, gone = several.elements
    own = before.comma.whitespace_after if isinstance(before.comma, cst.Comma) else cst.SimpleWhitespace("")
    rpar = list(several.rpar)
    closing = rpar[0].whitespace_before if rpar else None
    if comments_of([own]):
        if not isinstance(own, cst.ParenthesizedWhitespace) or not isinstance(closing, cst.ParenthesizedWhitespace):
            raise RefusedError("a comment inside the expression would be lost")
        rpar[0] = rpar[0].with_changes(whitespace_before=closing.with_changes(first_line=own.first_line))
    return several.with_changes(elements=[*elements, before.with_changes(comma=gone.comma)], rpar=rpar)


def remove_element(several: cst.Tuple, index: int, parent: cst.CSTNode) -> cst.BaseExpression:
    """A tuple without one of its elements; the only one that is left stands alone when all stood on one line. Raises RefusedError."""
    gone = several.elements[index]
    if len(several.elements) < 2 or comments_of([gone]):
        raise RefusedError("a comment inside the expression would be lost" if len(several.elements) > 1 else "the tuple would be empty")
    spaces = [
        *(part.whitespace_after for part in several.lpar),
        *(part.whitespace_before for part in several.rpar),
        *(item.comma.whitespace_after for item in several.elements if isinstance(item.comma, cst.Comma)),
    ]
    if index == len(several.elements) - 1:
        several = _without_last(several)
    else:
        several = several.with_changes(elements=[item for item in several.elements if item is not gone])
    if len(several.elements) > 1:
        return several
    (item,) = several.elements
    if isinstance(item, cst.StarredElement) or any(isinstance(space, cst.ParenthesizedWhitespace) for space in spaces):
        return several if isinstance(item.comma, cst.Comma) else several.with_changes(elements=[item.with_changes(comma=cst.Comma())])
    tight = isinstance(parent, cst.ExceptHandler) and parent.whitespace_after_except.empty
    return item.value.with_changes(lpar=several.lpar, rpar=several.rpar) if tight and several.lpar and not item.value.lpar else item.value


def add_import_name(statement: cst.ImportFrom, name: str, alias: str) -> cst.ImportFrom:
    """Add ``name [as alias]`` to a ``from`` import: in its sorted place when the names are sorted, else at the end."""
    if isinstance(statement.names, cst.ImportStar):
        raise RefusedError("the import is a star import")
    names = list(statement.names)
    new = cst.ImportAlias(name=cst.Name(name), asname=cst.AsName(name=cst.Name(alias)) if alias and alias != name else None)
    words = [item.evaluated_name for item in names]
    key = str.casefold if words == sorted(words, key=str.casefold) else (lambda word: word) if words == sorted(words) else None
    index = len(names) if key is None else next((i for i, word in enumerate(words) if key(word) > key(name)), len(names))
    opening = statement.lpar.whitespace_after if statement.lpar else cst.SimpleWhitespace("")
    first = names[0].comma
    between = _separator(first.whitespace_after) if len(names) > 1 and isinstance(first, cst.Comma) else _separator(opening)
    if isinstance(between, cst.SimpleWhitespace):
        between = cst.SimpleWhitespace(" ")
    if index < len(names):
        names.insert(index, new.with_changes(comma=cst.Comma(whitespace_after=between)))
        return statement.with_changes(names=names)
    last = names[-1]
    if isinstance(last.comma, cst.Comma):
        closing = last.comma.whitespace_after
        after = between
        if isinstance(closing, cst.ParenthesizedWhitespace) and isinstance(between, cst.ParenthesizedWhitespace):
            after = between.with_changes(first_line=closing.first_line)
        elif comments_of([closing]):
            raise RefusedError("a comment stands in the import")
        names[-1] = last.with_changes(comma=cst.Comma(whitespace_after=after))
        names.append(new.with_changes(comma=cst.Comma(whitespace_after=_without_comment(closing))))
        return statement.with_changes(names=names)
    rpar = statement.rpar
    after = between
    if rpar is not None and isinstance(rpar.whitespace_before, cst.ParenthesizedWhitespace):
        closing = rpar.whitespace_before
        if isinstance(between, cst.ParenthesizedWhitespace):
            after = between.with_changes(first_line=closing.first_line)
        elif comments_of([closing]):
            raise RefusedError("a comment stands in the import")
        rpar = rpar.with_changes(whitespace_before=_without_comment(closing))
    names[-1] = last.with_changes(comma=cst.Comma(whitespace_after=after))
    return statement.with_changes(names=[*names, new], rpar=rpar)


def remove_import_name(statement: cst.ImportFrom, name: str) -> cst.ImportFrom:
    """Remove a name from a ``from`` import that has others."""
    assert not isinstance(statement.names, cst.ImportStar)
    names = list(statement.names)
    index = next(i for i, item in enumerate(names) if item.evaluated_name == name)
    gone = names.pop(index)
    if comments_of([gone]):
        raise RefusedError("a comment stands at the imported name")
    if index == len(names):
        last = names[-1]
        comma = gone.comma
        kept = last.comma.whitespace_after if isinstance(last.comma, cst.Comma) else None
        closing = comma.whitespace_after if isinstance(comma, cst.Comma) else None
        if isinstance(comma, cst.Comma) and isinstance(closing, cst.ParenthesizedWhitespace) and kept is not None:
            if isinstance(kept, cst.ParenthesizedWhitespace):
                comma = comma.with_changes(whitespace_after=closing.with_changes(first_line=kept.first_line))
        elif isinstance(last.comma, cst.Comma) and comments_of([last.comma]):
            raise RefusedError("a comment stands at the imported name")
        names[-1] = last.with_changes(comma=comma)
    return statement.with_changes(names=names)
