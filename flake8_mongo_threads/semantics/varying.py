"""Whether a client differs from one run of the code that builds it to the next.

It *varies* when its arguments depend on the loop variable, on what the handler or worker is given, or on what the object
that builds it was made with: one client per deployment is right. Arguments that are the same for every run are followed
through calls, attributes of objects, partial objects and launchers, to the loop or handler that repeats the code.
"""

import ast
from typing import TYPE_CHECKING, NamedTuple

from flake8_mongo_threads.concurrency import frameworks, spawners
from flake8_mongo_threads.semantics.calls import Edge
from flake8_mongo_threads.semantics.contexts import LOOP, Context, maps
from flake8_mongo_threads.semantics.lifecycle import Build, stands_in_for
from flake8_mongo_threads.semantics.scopes import Binding, Scope
from flake8_mongo_threads.semantics.spawns import Work, enclosing_loop, named_arguments
from flake8_mongo_threads.semantics.syntax import FUNCTIONS, LOOPS, argument, keyword, last_name, walk
from flake8_mongo_threads.semantics.values import Awaitable, Class, External, Function, Instance, Partial

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

MAX_CONSTRUCTORS = 4
"""Constructors that hand an argument on to the one of their base class."""

_READS_ONE = frozenset(
    ("get", "pop", "popleft", "next", "get_nowait", "recv", "readline", "input", "choice", "receive", "poll", "read", "get_message")
)
_REQUEST_READS = frozenset(("get_json", "get_argument", "get_body_argument", "get_query_argument", "get_current_user", "get_jwt_identity"))
_REQUESTS = frozenset(
    (
        "flask.request",
        "flask.session",
        "quart.request",
        "bottle.request",
        "flask.g",
        "starlette.requests.Request()",
        "aiohttp.web.Request()",
        "sanic.Request()",
    )
)
_SETTINGS = frozenset(("getenv", "environ", "settings", "config", "conf", "Config", "app", "current_app"))
_OWN = frozenset(("self", "cls"))


class Reads(NamedTuple):
    """What an expression depends on inside its function."""

    params: frozenset[str]
    """Parameters of the function itself."""
    free: frozenset[str]
    """Parameters of functions around it."""
    attributes: frozenset[str]
    """Attributes of ``self`` that the function does not set itself."""
    loops: frozenset[ast.AST]
    """Loops whose target it reads."""
    fresh: bool
    """Whether it reads something that changes by itself: a queue, an iterator, an unknown call inside the loop."""

    @property
    def changing(self) -> bool:
        """Whether it depends on anything that can differ between two runs of the function."""
        return self.fresh or bool(self.loops or self.free or self.params - _OWN)


def reads(module: "Module", scope: Scope, expressions: list[ast.expr], within: ast.AST | None) -> Reads:
    """Follow the names an expression reads back to parameters, loop targets and calls; ``within`` is the loop looked at."""
    params: set[str] = set()
    free: set[str] = set()
    attributes: set[str] = set()
    loops: set[ast.AST] = set()
    searched: set[ast.AST | None] = set()
    fresh = False
    pending: list[ast.AST] = list(expressions)
    seen: set[int] = set()
    for _ in range(200):
        if not pending:
            break
        expression = pending.pop()
        if id(expression) in seen:
            continue
        seen.add(id(expression))
        for node in walk(expression):
            if isinstance(node, ast.Call) and (
                last_name(node.func) in _REQUEST_READS or (last_name(node.func) in _READS_ONE and not _is_setting(node.func))
            ):
                fresh = True
            if isinstance(node, ast.Attribute) and node.attr == "request" and not _of_application(module, node):
                fresh = True
            if not isinstance(node, ast.Name) or _of_application(module, node):
                continue
            if any(isinstance(v, External) and v.path in _REQUESTS for v in module.values(node)):
                fresh = True
            parent = module.index.parents.get(node)
            if node.id in _OWN and isinstance(parent, ast.Attribute):
                own = _set_here(module, scope, parent)
                pending.extend(own)
                if not own:
                    attributes.add(parent.attr)
            # options.update(kwargs), options["host"] = host: what is put into a local container counts, too
            for mutation, where in module.index.mutations.get(node.id, ()):
                if where.function is scope.function and not (node is expression and _calls_program(module, mutation)):
                    pending.extend((*mutation.args, *(k.value for k in mutation.keywords)))
            for store in module.index.items_of.get(node.id, ()):
                if store.scope.function is scope.function and store.value is not None:
                    pending.append(store.value)
            for binding in _bindings(module, scope, node):
                if binding.how == "param":
                    (params if binding.scope.function is scope.function else free).add(binding.name)
                elif binding.how == "for":
                    loop = _loop_of(module, binding)
                    if loop in searched:
                        pending.append(binding.value)  # type: ignore[arg-type]
                    elif loop is not None:
                        loops.add(loop)
                elif binding.how in ("assign", "ann", "with") and isinstance(binding.value, ast.AST):
                    if binding.scope.function.kind != "module" or scope.function.kind == "module":
                        pending.append(binding.value)
                        search, tests = _search(module, binding)
                        if search is not None and not module.index.within(node, search):
                            searched.add(search)
                            pending.extend(tests)
                elif binding.how in ("aug", "except", "match"):
                    fresh = fresh or within is not None
    return Reads(frozenset(params), frozenset(free - _OWN), frozenset(attributes), frozenset(loops), fresh)


def _calls_program(module: "Module", call: ast.Call) -> bool:
    """Whether what looks like a change of a container is a method of the program: ``repository.add(row)``."""
    return any(isinstance(value, Function) for value in module.values(call.func))


def _search(module: "Module", binding: Binding) -> tuple[ast.AST | None, list[ast.expr]]:
    """The loop that looks for what a name is bound to, with its tests: ``for item in items: if item.name == wanted: found = item``."""
    index = module.index
    found: list[ast.expr] = []
    place = index.place.get(index.statement(binding.node))
    while place is not None:
        owner = place[0]
        if isinstance(owner, LOOPS):
            return owner if found else None, found
        if isinstance(owner, ast.If):
            found.append(owner.test)
        elif isinstance(owner, FUNCTIONS):
            break
        place = index.place.get(owner)
    return None, []


def _set_here(module: "Module", scope: Scope, attribute: ast.Attribute) -> list[ast.expr]:
    """What the function itself assigns to an attribute of ``self``."""
    return [
        s.value
        for s in module.index.attribute_stores.get(attribute.attr, ())
        if s.scope.function is scope.function and s.value is not None and last_name(s.target.value) in _OWN
    ]


def _of_application(module: "Module", node: ast.AST) -> bool:
    """Whether a name, or an attribute of one, only leads to what is the same for all requests: ``request.app``, ``spider.settings``."""
    parent = module.index.parents.get(node)
    return isinstance(parent, ast.Attribute) and (last_name(node), parent.attr) in frameworks.APPLICATION_WIDE


def _is_setting(func: ast.AST) -> bool:
    base = func
    while isinstance(base, (ast.Attribute, ast.Call, ast.Subscript)):
        if isinstance(base, ast.Attribute) and base.attr in _SETTINGS:
            return True
        base = base.func if isinstance(base, ast.Call) else base.value
    return isinstance(base, ast.Name) and (
        base.id in _SETTINGS
        or base.id == "os"
        or base.id.isupper()
        or "config" in base.id.lower()
        or "setting" in base.id.lower()
        or base.id in _OWN
    )


def _bindings(module: "Module", scope: Scope, node: ast.Name) -> list[Binding]:
    current: Scope | None = module.index.scope(node) if node in module.index.parents else scope
    own = current.function if current is not None else scope
    while current is not None:
        found = current.bindings.get(node.id)
        if found and not (node.id in current.globals and current.kind != "module"):
            if current.function is own and current.kind != "comprehension":
                return module.index.reaching(current, node.id, node)
            return found
        current = current.parent
    return []


def _loop_of(module: "Module", binding: Binding) -> ast.AST | None:
    parent = module.index.parents.get(binding.value) if binding.value is not None else None
    if isinstance(parent, ast.comprehension):
        return module.index.parents.get(parent)
    return parent


def arguments_of(call: ast.Call) -> list[ast.expr]:
    """Every expression a call hands over."""
    return [*(a.value if isinstance(a, ast.Starred) else a for a in call.args), *(k.value for k in call.keywords)]


def varies_in_loop(module: "Module", scope: Scope, expressions: list[ast.expr], loop: ast.AST) -> bool:
    """Whether expressions read something that changes from one iteration of a loop to the next."""
    found = reads(module, scope, expressions, loop)
    return found.fresh or bool(found.loops & _around(module, loop))


def _around(module: "Module", loop: ast.AST) -> set[ast.AST]:
    """A loop and those of the same function around it."""
    around = {loop}
    current: ast.AST | None = loop
    while current is not None:
        current = enclosing_loop(module, current)
        if current is not None:
            around.add(current)
    return around


def varies_along(build: Build, chain: list[Edge], context: Context, home: "Module", root: "Module | None" = None) -> bool:
    """Whether a client's arguments depend on what the outermost caller's loop, launcher or handler changes.

    ``chain`` leads from the root of the context to the function that builds; a dependency on a parameter is followed to the
    argument of each call on the way, one on an attribute of ``self`` to the call that made the object. ``home`` is the
    module of the context, ``root`` that of the function at which it begins, where that is another one.
    """
    loop = context.node if context.where == LOOP else None
    around = _around(home, loop) if loop is not None else set()
    module, scope = build.module, build.scope
    expressions = arguments_of(build.call)
    attributes: frozenset[str] = frozenset()
    for edge in reversed(chain):
        found = reads(module, scope, expressions, None)
        if found.fresh or found.loops & around:
            return True
        below, target = module, edge.target.scope
        module, scope = _module_of(home, module, edge.caller), edge.caller
        expressions = []
        if maps(module, edge):
            if any(_mapped(module, edge, name) for name in found.params - _OWN):
                return True
        elif isinstance(edge.node, ast.Call):
            passed = _passed(module, edge.node, edge.target, found.params - _OWN)
            if passed is None:
                return True
            expressions.extend(passed)
        attributes |= found.attributes
        if attributes:
            kept, given = _through_object(module, below, edge, target, attributes, repeated=loop is not None or context.work is not None)
            attributes = attributes if kept else frozenset()
            expressions.extend(given)
        if not expressions and not attributes:
            return False
    if loop is not None:
        return varies_in_loop(module, scope, expressions, loop)
    return _varies_at_root(module, scope, expressions, attributes, context, home if root is not None else module)


def handed_over(build: Build, edge: Edge | None, work: Work | None) -> bool:
    """Whether a client is only built where a parameter got none, and the call or launch of the function that builds it gives one."""
    name = stands_in_for(build.module, build)
    given: list[ast.expr] | None = []
    if not name or (edge is None and work is None):
        return False
    if edge is not None and isinstance(edge.node, ast.Call):
        home = next((m for m in build.module.project.order if m.index is edge.caller.index), build.module)
        given = None if maps(home, edge) else _passed(home, edge.node, edge.target, frozenset((name,)))
    elif work is not None:
        function = next((f for f in work.functions if f.scope is build.scope.function), None)
        runs = _given(work, function, name) if function is not None else []
        given = None if runs is None else [expression for expression, _ in runs]
    return given is None or any(not (isinstance(g, ast.Constant) and g.value is None) for g in given)


def _mapped(module: "Module", edge: Edge, name: str) -> bool:
    """Whether ``map`` gives a parameter another value for every element."""
    positional = [p.arg for p in edge.target.scope.positional]
    if edge.target.bound:
        positional = positional[1:]
    position = positional.index(name) if name in positional else None
    for value in module.values(edge.node.args[0]) if isinstance(edge.node, ast.Call) and edge.node.args else ():
        if isinstance(value, Partial):
            fixed = len(value.call.args)
            if keyword(value.call, name) is not None or (position is not None and position < fixed):
                return False
            position = position - fixed if position is not None else None
    source = argument(edge.node, position + 1) if position is not None and isinstance(edge.node, ast.Call) else None
    return source is not None and _always_the_same(module, source) is None


def _module_of(home: "Module", module: "Module", scope: Scope) -> "Module":
    if scope.index is home.index:
        return home
    if scope.index is module.index:
        return module
    return next((m for m in home.project.order if m.index is scope.index), module)


def _passed(module: "Module", call: ast.Call, target: Function, names: frozenset[str]) -> list[ast.expr] | None:
    """The arguments that a call gives to some parameters of what it calls; None when stars hide one."""
    found: list[ast.expr] = []
    bound = target.bound
    for arg in target.scope.params:
        if arg.arg not in names:
            continue
        rest = _rest_arguments(call, target.scope, arg, bound)
        if rest is not None:
            found.extend(rest)
            continue
        value = module.inference.argument_for(call, target.scope, arg, skip_first=bound)
        if value is not None:
            found.append(value)
        elif any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords):
            return None
    return found


def _rest_arguments(call: ast.Call, scope: Scope, arg: ast.arg, bound: bool) -> list[ast.expr] | None:
    """What a call puts into ``*args`` or ``**kwargs`` of the function it calls; None for an ordinary parameter."""
    arguments = scope.node.args  # type: ignore[attr-defined]
    if arg is arguments.kwarg:
        named = {p.arg for p in (*arguments.args, *arguments.kwonlyargs)}
        return [k.value for k in call.keywords if k.arg is None or k.arg not in named]
    if arg is arguments.vararg:
        taken = len(scope.positional) - (1 if bound else 0)
        return [a.value if isinstance(a, ast.Starred) else a for a in call.args[taken:]]
    return None


# ---------------------------------------------------------------------- attributes of objects


def _through_object(
    module: "Module", below: "Module", edge: Edge, target: Scope, attributes: frozenset[str], *, repeated: bool
) -> tuple[bool, list[ast.expr]]:
    """What the attributes of ``self`` in a called method come from: whether they stay attributes of the caller's own ``self``,
    and the arguments of the call that made the object, when that is in the caller. Handlers are given objects by injection: those
    differ from one run to the next only where a loop or a launcher, which is what ``repeated`` says, goes through several."""
    node = edge.node
    if target.cls is not None and target.name in ("__init__", "__new__", "__post_init__") and isinstance(node, ast.Call):
        if last_name(node.func) == "__init__":
            return True, []  # super().__init__(…): the object is the caller's own
        return False, made_with(module, Class(below, target.cls), attributes, node)
    receiver: ast.AST = node.func if isinstance(node, ast.Call) else node
    if isinstance(receiver, ast.Attribute):
        receiver = receiver.value
    if isinstance(receiver, ast.Call) and last_name(receiver.func) == "super":
        return True, []
    if isinstance(receiver, ast.Name) and receiver.id in _OWN:
        return True, []
    return False, _of_instances(module, edge.caller, receiver, attributes, which=repeated)


def _of_instances(module: "Module", scope: Scope, receiver: ast.AST, attributes: frozenset[str], *, which: bool = True) -> list[ast.expr]:
    """What the attributes of an object depend on: the arguments where the function makes it, else ``which`` object it is.

    Where a loop makes several that differ, which of them it is depends on the receiver as well.
    """
    found: list[ast.expr] = []
    for value in module.values(receiver):
        if not isinstance(value, Instance):
            continue
        node = value.site.node if value.site is not None and value.site.module is module else None
        if (
            isinstance(node, ast.Call)
            and node in module.index.parents
            and module.index.scope(node).function is scope.function
            and any(isinstance(v, Class) for v in module.values(node.func))
        ):
            given = made_with(module, value.cls, attributes, node)
            loop = enclosing_loop(module, node)
            if loop is not None and isinstance(receiver, ast.expr) and varies_in_loop(module, scope, given, loop):
                found.append(receiver)
            found.extend(given)
        elif which and isinstance(receiver, ast.expr) and last_name(receiver) not in _OWN and _set_by_construction(value.cls, attributes):
            found.append(receiver)
    return found


def _set_by_construction(cls: Class, attributes: frozenset[str]) -> bool:
    """Whether two objects of a class can differ in some attributes, because their constructors are given them."""
    inference = cls.module.inference
    for home, scope in inference.resolution_order(cls):
        for definition in inference.definitions(scope, "__init__"):
            return bool(_stored_params(home, Function(home, definition, Instance(cls)), attributes, 0))
    return any(b.how == "ann" for _, scope in inference.resolution_order(cls) for name in attributes for b in scope.bindings.get(name, ()))


def made_with(module: "Module", cls: Class, attributes: frozenset[str], call: ast.Call) -> list[ast.expr]:
    """The arguments of a constructing call that end up in attributes of the object."""
    inference = cls.module.inference
    for home, scope in inference.resolution_order(cls):
        for definition in inference.definitions(scope, "__init__"):
            names = _stored_params(home, Function(home, definition, Instance(cls)), attributes, 0)
            passed = _passed(module, call, Function(home, definition, Instance(cls)), names)
            return passed if passed is not None else arguments_of(call)
    # a dataclass, a named tuple, a model: its fields in order
    fields = [b for _, scope in inference.resolution_order(cls) for group in scope.bindings.values() for b in group if b.how == "ann"]
    fields.sort(key=lambda b: b.position)
    given = [argument(call, position, field.name) for position, field in enumerate(fields) if field.name in attributes]
    return [g for g in given if g is not None]


def _stored_params(home: "Module", function: Function, attributes: frozenset[str], depth: int) -> frozenset[str]:
    """The parameters of a constructor that it, or a constructor that it calls, stores in some attributes."""
    scope = function.scope
    stored = [
        s.value
        for name in attributes
        for s in home.index.attribute_stores.get(name, ())
        if s.scope.function is scope and s.value is not None and last_name(s.target.value) == "self"
    ]
    names = reads(home, scope, stored, None).params - _OWN if stored else frozenset()
    if depth >= MAX_CONSTRUCTORS:
        return names
    for edge in home.calls.inside(scope):
        target = edge.target
        if target.scope is scope or target.scope.name != "__init__" or not isinstance(edge.node, ast.Call):
            continue
        if last_name(edge.node.func) != "__init__":
            continue
        inner = _stored_params(target.module, target, attributes, depth + 1)
        passed = _passed(home, edge.node, Function(target.module, target.scope, Instance(Class(target.module, scope))), inner)
        if passed:
            names |= reads(home, scope, passed, None).params - _OWN
    return names


# ---------------------------------------------------------------------- what the root of a context is given


def _varies_at_root(
    module: "Module", scope: Scope, expressions: list[ast.expr], attributes: frozenset[str], context: Context, home: "Module"
) -> bool:
    """Whether two runs of the function at which a context begins can build different clients."""
    found = reads(module, scope, expressions, None)
    if found.fresh or found.loops:
        return True
    work = context.work
    if work is None:
        node = context.node
        if isinstance(node, ast.Call) and context.where in (spawners.THREAD, spawners.GREENLET) and scope.cls is not None:
            return bool(found.params - _OWN) or _objects_differ(home, scope, node, attributes | found.attributes)
        if context.handler is None and found.free:
            return True
        return bool(found.params - _OWN) and not (context.handler is not None and scope.name in frameworks.CONFIGURED_METHODS)
    if work.where == spawners.JOB:
        return bool(found.params - _OWN)
    repeated = work.loop is not None or work.launcher.many
    if found.free and not (repeated and scope.index is work.module.index and work.scope.function.encloses(scope.function)):
        return True
    every = [
        (w, f)
        for w in home.calls.works
        if w.where == work.where
        for f in w.functions
        if f.scope is scope.function and (w is work or w.launcher.passing != spawners.COROUTINE or _calls_of(w, f))
    ]
    if any(_runs_differ(w, f, found.params - _OWN, attributes | found.attributes) for w, f in every):
        return True
    # launched from several places: the same only when they give the same
    distinct = {tuple(ast.dump(g) for n in sorted(found.params - _OWN) for g, _ in (_given(w, f, n) or ())) for w, f in every}
    return len(distinct) > 1


def _objects_differ(home: "Module", scope: Scope, node: ast.Call, attributes: frozenset[str]) -> bool:
    """Whether the objects of a thread class are made with different arguments."""
    cls = scope.cls
    if cls is None or not attributes:
        return False
    dumps: set[str] = set()
    for call, where, value in home.calls.constructions:
        if not isinstance(value, Class) or not any(s is cls for _, s in home.inference.resolution_order(value)):
            continue
        given = made_with(home, value, attributes, call)
        loop = enclosing_loop(home, call)
        if given and loop is not None and varies_in_loop(home, where, given, loop):
            return True
        if given and loop is None and node is not call and reads(home, where, given, None).changing:
            return True
        dumps.add(" ".join(ast.dump(g) for g in given))
    return len(dumps) > 1


def _runs_differ(work: Work, function: Function, names: frozenset[str], attributes: frozenset[str]) -> bool:
    """Whether one launch gives different things to its runs: to parameters of the function, or to the object it is a method of."""
    module = work.module
    initializer = work.launcher.passing == spawners.TUPLE and work.launcher.many
    given: list[tuple[ast.expr, ast.AST | None]] = []
    for name in names:
        arguments = _given(work, function, name)
        if arguments is None:
            return True
        given.extend(arguments)
    if attributes and isinstance(work.target, ast.Attribute):
        loop = work.loop
        given.extend((g, loop) for g in _of_instances(module, work.scope, work.target.value, attributes))
    elif attributes and work.launcher.passing == spawners.COROUTINE:
        for call in _calls_of(work, function) or ():
            if isinstance(call.func, ast.Attribute) and call in module.index.parents:
                loop = enclosing_loop(module, call) or work.loop
                given.extend((g, loop) for g in _of_instances(module, work.scope, call.func.value, attributes))
    for expression, loop in given:
        if loop is not None:
            if varies_in_loop(module, work.scope, [expression], loop):
                return True
        elif not initializer and not work.many and reads(module, work.scope, [expression], None).changing:
            return True
    return False


def _given(work: Work, function: Function, name: str) -> list[tuple[ast.expr, ast.AST | None]] | None:
    """What a launch hands to a parameter of what it launches, each with the loop that repeats it; None when that cannot be told.

    A parameter that gets nothing has its default value.
    """
    scope, call, launcher = function.scope, work.call, work.launcher
    default = scope.default(name)
    absent = None if default is None else [(default, work.loop)]
    positional = [p.arg for p in scope.positional]
    if function.bound:
        positional = positional[1:]
    position = positional.index(name) if name in positional else None
    if launcher.passing == spawners.COROUTINE:
        return _given_to_coroutine(work, function, name)
    for value in work.targets:
        if not isinstance(value, Partial) or not any(isinstance(t, Function) and t.scope is scope for t in value.target):
            continue
        fixed = keyword(value.call, name)
        if fixed is None and position is not None:
            fixed = argument(value.call, position)
            position -= len(value.call.args)
        if fixed is not None:
            return [(fixed, work.loop)]
    if launcher.passing == spawners.REST:
        hidden = any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords)
        value_given = keyword(call, name) or (argument(call, launcher.index + 1 + position) if position is not None else None)
        return [(value_given, work.loop)] if value_given is not None else None if hidden else absent
    if launcher.passing == spawners.TUPLE:
        return _given_in_tuple(work, name, position, absent)
    if position is None:
        return absent
    if launcher.passing == spawners.EACH:
        source = argument(call, launcher.index + 1 + position)
        if source is None:
            return absent
        same = _always_the_same(work.module, source)
        return [(same, work.loop)] if same is not None else None
    if launcher.passing == spawners.STAR:
        source = argument(call, launcher.index + 1)
        if isinstance(source, (ast.ListComp, ast.GeneratorExp)) and isinstance(source.elt, ast.Tuple) and position < len(source.elt.elts):
            return [(source.elt.elts[position], source)]
    return None


def _given_in_tuple(
    work: Work, name: str, position: int | None, absent: list[tuple[ast.expr, ast.AST | None]] | None
) -> list[tuple[ast.expr, ast.AST | None]] | None:
    call, launcher = work.call, work.launcher
    named = named_arguments(call, launcher)
    if isinstance(named, ast.Dict):
        for key, item in zip(named.keys, named.values, strict=False):
            if isinstance(key, ast.Constant) and key.value == name:
                return [(item, work.loop)]
            if key is None:
                return None
    elif named is not None:
        return None
    given = argument(call, launcher.args_index, launcher.args_keyword)
    if given is not None and not isinstance(given, (ast.Tuple, ast.List)):
        return None
    elements = given.elts if isinstance(given, (ast.Tuple, ast.List)) else []
    if any(isinstance(e, ast.Starred) for e in elements):
        return None
    if position is not None and position < len(elements):
        return [(elements[position], work.loop)]
    return absent


def _given_to_coroutine(work: Work, function: Function, name: str) -> list[tuple[ast.expr, ast.AST | None]] | None:
    """What the calls that make the coroutines of a launch hand to a parameter."""
    module = work.module
    calls = _calls_of(work, function)
    if calls is None:
        return None
    found: list[tuple[ast.expr, ast.AST | None]] = []
    for call in calls:
        if call not in module.index.parents or not isinstance(call.func, (ast.Name, ast.Attribute)):
            return None
        loop = enclosing_loop(module, call) or work.loop
        passed = _passed(module, call, function, frozenset((name,)))
        if passed is None:
            return None
        default = function.scope.default(name)
        given = passed or ([default] if default is not None else [])
        if not given:
            return None  # the call is of a partial object, or of something that wraps the coroutine function
        found.extend((g, loop) for g in given)
    return found or None


def _calls_of(work: Work, function: Function) -> list[ast.Call] | None:
    """The calls that make the coroutines which a launch runs; tasks that were started before are not among them."""
    module = work.module
    calls: list[ast.Call] = []
    for value in module.inference.unrolled(work.targets, 64):
        if isinstance(value, Awaitable) and isinstance(value.origin, Function) and value.origin.scope is function.scope:
            site = value.call
            if value.how != "coroutine":
                continue
            if site is None or site.module is not module or not isinstance(site.node, ast.Call):
                return None
            calls.append(site.node)
    return calls


def _always_the_same(module: "Module", source: ast.expr) -> ast.expr | None:
    """The one object that an iterable gives again and again: ``repeat(uri)``, ``[uri] * len(rows)``."""
    if (
        isinstance(source, ast.Call)
        and source.args
        and any(isinstance(v, External) and v.path == "itertools.repeat" for v in module.values(source.func))
    ):
        return source.args[0]
    if isinstance(source, ast.BinOp) and isinstance(source.op, ast.Mult) and isinstance(source.left, (ast.List, ast.Tuple)):
        return source.left.elts[0] if len(source.left.elts) == 1 else None
    return None
