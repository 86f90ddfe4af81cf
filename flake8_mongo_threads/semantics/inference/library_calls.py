"""What the functions of the standard library and of frameworks return that hand on what they are given."""

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from flake8_mongo_threads.semantics.inference.common import CHAIN, CURSORS, something
from flake8_mongo_threads.semantics.syntax import argument
from flake8_mongo_threads.semantics.values import (
    BOTTOM,
    UNKNOWN,
    UNKNOWN_ONLY,
    Awaitable,
    Class,
    Driver,
    Element,
    External,
    Function,
    Generator,
    Instance,
    Manager,
    Mapping,
    Partial,
    Sequence,
    Site,
    Values,
    known,
    union,
)

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.inference.core import Inference
    from flake8_mongo_threads.semantics.module import Module


def _partial(inference: "Inference", module: "Module", call: ast.Call, path: str) -> Values:
    del path
    if not call.args:
        return UNKNOWN_ONLY
    inner = ast.Call(func=call.args[0], args=call.args[1:], keywords=call.keywords)
    ast.copy_location(inner, call)
    return (Partial(inference.values(module, call.args[0]), inner, module, module.index.scope(call)),)


def _cast(inference: "Inference", module: "Module", call: ast.Call, path: str) -> Values:
    del path
    annotated = inference.annotation(module, argument(call, 0), module.index.scope(call))
    if known(annotated) and UNKNOWN not in annotated:
        inner = inference.values(module, argument(call, 1))
        agreed, by_type = inference.agreed(inner), inference.agreed(annotated)
        return inner if agreed is not None and by_type is not None and agreed.kind == by_type.kind else annotated
    return inference.values(module, argument(call, 1))


def _gather(inference: "Inference", module: "Module", call: ast.Call, path: str) -> Values:
    del path
    elements: list[Element] = []
    exact = True
    for arg in call.args:
        if isinstance(arg, ast.Starred):
            exact = False
            for value in inference.values(module, arg.value):
                if isinstance(value, (Sequence, Generator)):
                    inner = inference.iterate(module, arg.value, (value,))
                    elements.append(Element(module, None, None, inference.settled(inner)))
        else:
            elements.append(Element(module, None, None, inference.settled(inference.values(module, arg))))
    site = Site(module, call)
    return (Awaitable((Sequence(tuple(elements), site, exact=exact, many=not exact),), "future", site),)


def _run_in_executor(inference: "Inference", module: "Module", call: ast.Call, path: str) -> Values:
    del path
    return inference.runs(module, call, 1, Site(module, call))


def _submit(inference: "Inference", module: "Module", call: ast.Call, path: str) -> Values:
    del path
    target = argument(call, 0, "fn")
    if target is None:
        return UNKNOWN_ONLY
    results = union(*(inference.invoke(v, call, module) for v in inference.values(module, target)))
    return (Awaitable(results, "future", Site(module, call)),)


def _threadsafe(inference: "Inference", module: "Module", call: ast.Call, path: str) -> Values:
    del path
    return inference.task(module, call, Site(module, call))


def _closing(inference: "Inference", module: "Module", call: ast.Call, path: str) -> Values:
    del path
    first = argument(call, 0)
    return (Manager(inference.values(module, first), Site(module, call)),) if first is not None else UNKNOWN_ONLY


def _next(inference: "Inference", module: "Module", call: ast.Call, path: str) -> Values:
    del path
    first = argument(call, 0)
    if first is None:
        return UNKNOWN_ONLY
    values = inference.values(module, first)
    found = inference.iterate(module, first, values)
    if len(call.args) > 1:
        found = union(found, inference.values(module, call.args[1]))
    return found


def _getattr(inference: "Inference", module: "Module", call: ast.Call, path: str) -> Values:
    del path
    name = inference.constant_at(module, call.args[1]) if len(call.args) > 1 else None
    base = something(inference.values(module, call.args[0])) if call.args else UNKNOWN_ONLY
    if isinstance(name, str):
        found = union(*(inference.attribute(v, name, call, module) for v in base)) if base else UNKNOWN_ONLY
        if len(call.args) > 2:
            found = union(found, inference.values(module, call.args[2]))
        return found
    parts: list[Values] = []
    for candidate in base:
        for value in inference.stands_for(candidate) if isinstance(candidate, Instance) else (candidate,):
            child = CHAIN.get(value.family) if isinstance(value, Driver) else None
            parts.append(
                (Driver(child, value.flavour, Site(module, call), value),)
                if child is not None and isinstance(value, Driver)
                else UNKNOWN_ONLY
            )
    return union(*parts) if parts else (BOTTOM if base and all(isinstance(v, Instance) for v in base) else UNKNOWN_ONLY)


def _enumerate(inference: "Inference", module: "Module", call: ast.Call, path: str) -> Values:
    first = argument(call, 0)
    if first is None:
        return UNKNOWN_ONLY
    inner = inference.iterate(module, first, inference.values(module, first))
    site = Site(module, call)
    del path
    pair = Sequence((Element(module, None, None, UNKNOWN_ONLY), Element(module, None, None, inner)), site, exact=True)
    return (Sequence((Element(module, None, None, (pair,)),), site, many=True),)


def _zip(inference: "Inference", module: "Module", call: ast.Call, path: str) -> Values:
    del path
    site = Site(module, call)
    elements = tuple(
        Element(module, None, None, inference.iterate(module, a, inference.values(module, a)))
        for a in call.args
        if not isinstance(a, ast.Starred)
    )
    return (Sequence((Element(module, None, None, (Sequence(elements, site, exact=True),)),), site, many=True),)


def _map(inference: "Inference", module: "Module", call: ast.Call, path: str) -> Values:
    """``map(f, …)``: one object for each element."""
    del path
    if len(call.args) < 2 or isinstance(call.args[0], ast.Starred):
        return UNKNOWN_ONLY
    made = ast.Call(func=call.args[0], args=[], keywords=[])
    ast.copy_location(made, call)
    results = union(
        *(inference.invoke(v, None if isinstance(v, Function) else made, module) for v in inference.values(module, call.args[0]))
    )
    site = Site(module, call)
    return (Sequence((Element(module, None, None, results),), site, many=True),)


def _repeat(inference: "Inference", module: "Module", call: ast.Call, path: str) -> Values:
    del inference, path
    if not call.args or isinstance(call.args[0], ast.Starred):
        return UNKNOWN_ONLY
    return (Sequence((Element(module, None, call.args[0]),), Site(module, call), many=True),)


def _dict_call(inference: "Inference", module: "Module", call: ast.Call, path: str) -> Values:
    del path
    items: tuple[tuple[object, Element], ...] = tuple((k.arg, Element(module, None, k.value)) for k in call.keywords if k.arg)
    if call.args:
        source = inference.values(module, call.args[0])
        if not call.keywords:
            if any(isinstance(v, Mapping) for v in source):
                return tuple(inference.copy(module, call, call.args[0], v) for v in source)
        else:
            given = [v for v in source if isinstance(v, Mapping)]
            items = (*(item for v in given for item in v.items), *items)
        pairs = (pair for v in source if isinstance(v, Sequence) for element in v.elements for pair in inference.element(element))
        for pair in pairs:
            if isinstance(pair, Sequence) and pair.exact and len(pair.elements) == 2:
                key = pair.elements[0].expression
                items = (*items, (key.value if isinstance(key, ast.Constant) else None, pair.elements[1]))
    return (Mapping(items, Site(module, call)),)


def _copied(inference: "Inference", module: "Module", call: ast.Call, path: str) -> Values:
    if not call.args:
        return UNKNOWN_ONLY
    found = tuple(inference.copy(module, call, call.args[0], v) for v in inference.listed(module, call))
    if path != "copy.deepcopy":
        return found
    return tuple(Sequence(v.elements, Site(module, call), exact=v.exact, many=v.many) if isinstance(v, Sequence) else v for v in found)


def _empty_list(inference: "Inference", module: "Module", call: ast.Call, path: str) -> Values:
    if call.args:
        return inference.listed(module, call)
    del path
    return (Sequence((), Site(module, call), many=True),)


def _anext(inference: "Inference", module: "Module", call: ast.Call, path: str) -> Values:
    return (Awaitable(_next(inference, module, call, path), "coroutine", Site(module, call)),)


def _as_completed(inference: "Inference", module: "Module", call: ast.Call, path: str) -> Values:
    del path
    first = argument(call, 0, "fs")
    if first is None:
        return UNKNOWN_ONLY
    inner = inference.iterate(module, first, inference.values(module, first))
    return (Sequence((Element(module, None, None, inner),), Site(module, call), many=True),)


def _sync_to_async(inference: "Inference", module: "Module", call: ast.Call, path: str) -> Values:
    del inference, path
    if not call.args:
        return (External("asgiref.sync.sync_to_async()", Site(module, call)),)
    return (External("asgiref.sync.sync_to_async(call)", Site(module, call)),)


def _sync_to_async_run(inference: "Inference", module: "Module", call: ast.Call, path: str) -> Values:
    del path
    results: list[Values] = []
    for value in inference.values(module, call.func):
        if isinstance(value, External) and value.site is not None and isinstance(value.site.node, ast.Call) and value.site.node.args:
            for target in inference.values(value.site.module, value.site.node.args[0]):
                results.append(inference.invoke(target, call, module))
    return (Awaitable(union(*results) if results else UNKNOWN_ONLY, "future", Site(module, call)),)


def _cached(inference: "Inference", module: "Module", call: ast.Call, path: str) -> Values:
    """``lru_cache(f)`` and ``lru_cache(maxsize=1)(f)``: the function itself."""
    del path
    if call.args:
        return inference.values(module, call.args[0])
    return (External("functools.lru_cache()", Site(module, call)),)


def _dependency_lookup(inference: "Inference", module: "Module", call: ast.Call, path: str) -> Values:
    del path
    found = inference.depends(module, call, module.index.scope(call))
    return found if found is not None else UNKNOWN_ONLY


def _class_constructor(inference: "Inference", module: "Module", call: ast.Call, path: str) -> Values:
    """``type(x)``: the class of an object of the program."""
    del path
    if len(call.args) != 1:
        return UNKNOWN_ONLY
    return union(*((v.cls,) if isinstance(v, Instance) else UNKNOWN_ONLY for v in inference.values(module, call.args[0])))


def _allocate(inference: "Inference", module: "Module", call: ast.Call, path: str) -> Values:
    """``object.__new__(cls)``: an object of the class."""
    del path
    if not call.args:
        return UNKNOWN_ONLY
    return union(
        *((Instance(v, Site(module, call)),) if isinstance(v, Class) else UNKNOWN_ONLY for v in inference.values(module, call.args[0]))
    )


def _iterator(inference: "Inference", module: "Module", call: ast.Call, path: str) -> Values:
    """``iter(cursor)``: a cursor is its own iterator."""
    if len(call.args) == 1:
        values = inference.values(module, call.args[0])
        if values and all(isinstance(v, Driver) and v.family in CURSORS and v.flavour == "sync" for v in values):
            return values
    return (External(path + "()", Site(module, call)),)


LIBRARY_CALLS: dict[str, Callable[["Inference", "Module", ast.Call, str], Values]] = {
    "functools.partial": _partial,
    "functools.partialmethod": _partial,
    "typing.cast": _cast,
    "asyncio.gather": _gather,
    "tornado.gen.multi": _gather,
    "asyncio.AbstractEventLoop().run_in_executor": _run_in_executor,
    "tornado.ioloop.IOLoop.current().run_in_executor": _run_in_executor,
    "concurrent.futures.ThreadPoolExecutor().submit": _submit,
    "concurrent.futures.Executor().submit": _submit,
    "asyncio.run_coroutine_threadsafe": _threadsafe,
    "contextlib.closing": _closing,
    "contextlib.aclosing": _closing,
    "contextlib.nullcontext": _closing,
    "builtins.iter": _iterator,
    "builtins.next": _next,
    "builtins.anext": _anext,
    "builtins.getattr": _getattr,
    "builtins.enumerate": _enumerate,
    "builtins.zip": _zip,
    "itertools.product": _zip,
    "builtins.map": _map,
    "itertools.repeat": _repeat,
    "builtins.dict": _dict_call,
    "collections.defaultdict": _dict_call,
    "collections.OrderedDict": _dict_call,
    "copy.copy": _copied,
    "copy.deepcopy": _copied,
    "weakref.WeakValueDictionary": _dict_call,
    "builtins.list": _empty_list,
    "builtins.set": _empty_list,
    "collections.deque": _empty_list,
    "queue.Queue": _empty_list,
    "asyncio.Queue": _empty_list,
    "asyncio.as_completed": _as_completed,
    "concurrent.futures.as_completed": _as_completed,
    "asgiref.sync.sync_to_async": _sync_to_async,
    "asgiref.sync.sync_to_async(call)": _sync_to_async_run,
    "functools.lru_cache": _cached,
    "functools.lru_cache()": _cached,
    "functools.cache": _cached,
    "fastapi.Depends": _dependency_lookup,
    "builtins.type": _class_constructor,
    "builtins.object.__new__": _allocate,
}
