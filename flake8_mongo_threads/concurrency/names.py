"""Canonical paths of things in other distributions: one name for each, however it was imported or made."""

ALIASES: dict[str, str] = {
    "concurrent.futures.thread.ThreadPoolExecutor": "concurrent.futures.ThreadPoolExecutor",
    "concurrent.futures.process.ProcessPoolExecutor": "concurrent.futures.ProcessPoolExecutor",
    "concurrent.futures._base.Executor": "concurrent.futures.Executor",
    "multiprocessing.process.Process": "multiprocessing.Process",
    "multiprocessing.context.Process": "multiprocessing.Process",
    "multiprocessing.process.BaseProcess": "multiprocessing.Process",
    "multiprocessing.context.SpawnContext().Process": "multiprocessing.Process",
    "multiprocessing.pool.Pool": "multiprocessing.Pool",
    "multiprocessing.dummy.Process": "threading.Thread",
    "multiprocessing.dummy.Pool": "multiprocessing.pool.ThreadPool",
    "multiprocessing.dummy.DummyProcess": "threading.Thread",
    "multiprocess.Process": "multiprocessing.Process",
    "multiprocess.Pool": "multiprocessing.Pool",
    "billiard.Process": "multiprocessing.Process",
    "billiard.Pool": "multiprocessing.Pool",
    "billiard.process.Process": "multiprocessing.Process",
    "billiard.pool.Pool": "multiprocessing.Pool",
    "billiard.context.Process": "multiprocessing.Process",
    "torch.multiprocessing.Process": "multiprocessing.Process",
    "torch.multiprocessing.Pool": "multiprocessing.Pool",
    "threading._Timer": "threading.Timer",
    **{
        f"aws_lambda_powertools.event_handler.{name}": "aws_lambda_powertools.event_handler.APIGatewayRestResolver"
        for name in ("APIGatewayHttpResolver", "ALBResolver", "LambdaFunctionUrlResolver", "api_gateway.APIGatewayRestResolver")
    },
    "asyncio.get_event_loop()": "asyncio.AbstractEventLoop()",
    "asyncio.get_running_loop()": "asyncio.AbstractEventLoop()",
    "asyncio.new_event_loop()": "asyncio.AbstractEventLoop()",
    "asyncio.events.get_event_loop()": "asyncio.AbstractEventLoop()",
    "asyncio.BaseEventLoop()": "asyncio.AbstractEventLoop()",
    "asyncio.events.AbstractEventLoop()": "asyncio.AbstractEventLoop()",
    "asyncio.SelectorEventLoop()": "asyncio.AbstractEventLoop()",
    "asyncio.ProactorEventLoop()": "asyncio.AbstractEventLoop()",
    "uvloop.new_event_loop()": "asyncio.AbstractEventLoop()",
    "uvloop.Loop()": "asyncio.AbstractEventLoop()",
    "asyncio.taskgroups.TaskGroup()": "asyncio.TaskGroup()",
    "asyncio.tasks.Task()": "asyncio.Future()",
    "asyncio.Task()": "asyncio.Future()",
    "asyncio.tasks.gather": "asyncio.gather",
    "asyncio.tasks.create_task": "asyncio.create_task",
    "asyncio.tasks.wait_for": "asyncio.wait_for",
    "asyncio.tasks.ensure_future": "asyncio.ensure_future",
    "asyncio.runners.run": "asyncio.run",
    "asyncio.threads.to_thread": "asyncio.to_thread",
    "uvloop.run": "asyncio.run",
    "asyncio.runners.Runner": "asyncio.Runner",
    "anyio.abc.TaskGroup": "anyio.create_task_group",
    "trio.Nursery()": "trio.open_nursery()",
    "starlette.concurrency.run_in_threadpool": "fastapi.concurrency.run_in_threadpool",
    "fastapi.applications.FastAPI": "fastapi.FastAPI",
    "fastapi.routing.APIRouter": "fastapi.APIRouter",
    "fastapi.requests.Request": "starlette.requests.Request",
    "fastapi.Request": "starlette.requests.Request",
    "starlette.requests.HTTPConnection": "starlette.requests.Request",
    "fastapi.WebSocket": "starlette.websockets.WebSocket",
    "fastapi.websockets.WebSocket": "starlette.websockets.WebSocket",
    "fastapi.param_functions.Depends": "fastapi.Depends",
    "fastapi.Security": "fastapi.Depends",
    "fastapi.params.Depends": "fastapi.Depends",
    "fastapi.background.BackgroundTasks": "fastapi.BackgroundTasks",
    "starlette.background.BackgroundTasks": "fastapi.BackgroundTasks",
    "starlette.background.BackgroundTask": "fastapi.BackgroundTask",
    "fastapi.middleware.base.BaseHTTPMiddleware": "starlette.middleware.base.BaseHTTPMiddleware",
    "flask.app.Flask": "flask.Flask",
    "flask.blueprints.Blueprint": "flask.Blueprint",
    "flask.globals.g": "flask.g",
    "flask.globals.current_app": "flask.current_app",
    "flask.cli.current_app": "flask.current_app",
    "quart.app.Quart": "quart.Quart",
    "aiohttp.web_app.Application": "aiohttp.web.Application",
    "aiohttp.web_request.Request": "aiohttp.web.Request",
    "aiohttp.web_routedef.RouteTableDef": "aiohttp.web.RouteTableDef",
    "sanic.app.Sanic": "sanic.Sanic",
    "sanic.request.Request": "sanic.Request",
    "celery.app.base.Celery": "celery.Celery",
    "celery.app.Celery": "celery.Celery",
    "celery.app.shared_task": "celery.shared_task",
    "celery.task.task": "celery.shared_task",
    "celery.decorators.task": "celery.shared_task",
    "celery.app.task.Task": "celery.Task",
    "django.views.generic.base.View": "django.views.View",
    "django.views.generic.View": "django.views.View",
    "typing_extensions.Annotated": "typing.Annotated",
    "typing_extensions.TypeAlias": "typing.TypeAlias",
    "collections.abc.AsyncGenerator": "typing.AsyncGenerator",
    "collections.abc.AsyncIterator": "typing.AsyncIterator",
    "collections.abc.Generator": "typing.Generator",
    "collections.abc.Iterator": "typing.Iterator",
    "collections.abc.Iterable": "typing.Iterable",
    "collections.abc.AsyncIterable": "typing.AsyncIterable",
    "collections.abc.Awaitable": "typing.Awaitable",
    "collections.abc.Coroutine": "typing.Coroutine",
    "collections.abc.Callable": "typing.Callable",
    "collections.abc.Sequence": "typing.Sequence",
    "collections.abc.Mapping": "typing.Mapping",
    "collections.abc.MutableMapping": "typing.Mapping",
    "websockets.server.serve": "websockets.serve",
    "websockets.asyncio.server.serve": "websockets.serve",
    "litestar.di.provide.Provide": "litestar.di.Provide",
    "channels.db.database_sync_to_async": "asgiref.sync.sync_to_async",
    "eventlet.greenpool.GreenPool": "eventlet.GreenPool",
    "gevent.Greenlet.spawn": "gevent.spawn",
    "gevent.greenlet.Greenlet": "gevent.Greenlet",
    "discord.ext.commands.bot.Bot": "discord.ext.commands.Bot",
    "discord.Client().loop": "asyncio.AbstractEventLoop()",
    "discord.ext.commands.Bot().loop": "asyncio.AbstractEventLoop()",
    "discord.ext.commands.AutoShardedBot().loop": "asyncio.AbstractEventLoop()",
    "discord.ext.commands.Context().bot.loop": "asyncio.AbstractEventLoop()",
}

_PREFIXES: tuple[tuple[str, str], ...] = (
    ("multiprocessing.get_context().", "multiprocessing."),
    ("nextcord.", "discord."),
    ("disnake.", "discord."),
    ("litestar.handlers.", "litestar."),
    ("telegram.ext.commandhandler.", "telegram.ext."),
    ("mcp.server.FastMCP", "mcp.server.fastmcp.FastMCP"),
)


def canonical(path: str) -> str:
    """The canonical spelling of an external path; an instance path (``…()``) follows its class."""
    for _ in range(4):
        found = ALIASES.get(path)
        if found is None and path.endswith("()"):
            base = ALIASES.get(path[:-2])
            found = base + "()" if base is not None else None
        if found is None:
            for prefix, replacement in _PREFIXES:
                if path.startswith(prefix):
                    found = replacement + path[len(prefix) :]
                    break
        if found is None or found == path:
            return path
        path = found
    return path


APPLICATIONS: frozenset[str] = frozenset(
    (
        "fastapi.FastAPI()",
        "starlette.applications.Starlette()",
        "starlette.requests.Request().app",
        "starlette.websockets.WebSocket().app",
        "flask.Flask()",
        "flask.current_app",
        "flask.current_app._get_current_object()",
        "quart.Quart()",
        "quart.current_app",
        "aiohttp.web.Application()",
        "aiohttp.web.Request().app",
        "sanic.Sanic()",
        "sanic.Request().app",
        "sanic.Sanic.get_app()",
        "tornado.web.Application()",
        "tornado.web.RequestHandler().application",
        "tornado.websocket.WebSocketHandler().application",
        "litestar.Litestar()",
        "litestar.Request().app",
        "discord.ext.commands.Bot()",
        "discord.ext.commands.AutoShardedBot()",
        "discord.Client()",
        "discord.ext.commands.Context().bot",
        "bottle.Bottle()",
        "bottle.default_app()",
        "bottle.request.app",
    )
)
"""Objects that are the one application of a process: what is stored on one is read from any other spelling of it."""

APPLICATION_PARTS: dict[str, str] = {
    "litestar.datastructures.State()": "app.state",
    "tornado.web.RequestHandler().settings": "app.settings",
    "tornado.websocket.WebSocketHandler().settings": "app.settings",
}
"""Objects that are a part of the application under another name: the state that Litestar injects, the settings of Tornado."""

REQUEST_STATES: frozenset[str] = frozenset(
    ("starlette.requests.Request().state", "starlette.websockets.WebSocket().state", "flask.g", "quart.g", "sanic.Request().ctx")
)
"""Objects that live for one request."""


def slot(path: str) -> str:
    """A store's name that is the same for every spelling of the same application: ``app.state.db``; empty when it is none."""
    best = ""
    for base in APPLICATIONS:
        if (path == base or path.startswith((base + ".", base + "["))) and len(base) > len(best):
            best = base
    if best:
        return "app" + path[len(best) :]
    for base, name in APPLICATION_PARTS.items():
        if path == base or path.startswith((base + ".", base + "[")):
            return name + path[len(base) :]
    for base in REQUEST_STATES:
        if path == base or path.startswith((base + ".", base + "[")):
            name = "g" if base.endswith(".g") else "request.state"
            return name + path[len(base) :]
    return ""


CACHING_DECORATORS: frozenset[str] = frozenset(
    (
        "functools.lru_cache",
        "functools.cache",
        "functools.lru_cache()",
        "cachetools.cached()",
        "cachetools.func.lru_cache",
        "cachetools.func.lru_cache()",
        "cachetools.func.ttl_cache()",
        "cachetools.func.ttl_cache",
        "async_lru.alru_cache",
        "async_lru.alru_cache()",
        "aiocache.cached()",
        "streamlit.cache_resource",
        "streamlit.cache_resource()",
        "streamlit.experimental_singleton",
        "streamlit.experimental_singleton()",
        "streamlit.cache",
        "streamlit.cache()",
        "methodtools.lru_cache()",
        "singleton_decorator.singleton",
        "asyncstdlib.lru_cache",
        "ring.lru()",
        "dagster.resource",
        "dagster.resource()",
        "toolz.memoize",
    )
)
"""Decorators after which a function body runs once (per arguments): what it builds is kept. Those whose own name says that
they cache (``cached_property``) need no row."""

OFFLOADING_DECORATORS: frozenset[str] = frozenset(
    (
        "asgiref.sync.sync_to_async",
        "asgiref.sync.sync_to_async()",
        "tornado.concurrent.run_on_executor",
        "tornado.concurrent.run_on_executor()",
        "discord.utils.run_in_executor",
        "aioify.aioify",
        "asyncer.asyncify",
        "asyncer.asyncify()",
    )
)
"""Decorators after which a plain function runs on a thread and its call is awaited."""

PROPERTY_DECORATORS: frozenset[str] = frozenset(
    (
        "builtins.property",
        "functools.cached_property",
        "django.utils.functional.cached_property",
        "werkzeug.utils.cached_property",
        "kombu.utils.objects.cached_property",
        "celery.utils.cached_property",
        "abc.abstractproperty",
        "asyncstdlib.cached_property",
        "boltons.cacheutils.cachedproperty",
    )
)
