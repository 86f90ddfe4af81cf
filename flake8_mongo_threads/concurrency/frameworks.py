"""Web frameworks, job queues, bots and functions-as-a-service: which functions they call for every request. Data.

A decorator counts only when its base is known to be an application or router object, so ``@mock.patch`` or ``@cache.get``
never is a route.
"""

from typing import NamedTuple

REQUEST = "request"
JOB = "job"
MESSAGE = "message"
ONCE = "once"


class Handler(NamedTuple):
    """How a framework calls a function: ``each`` what one call stands for, ``label`` its name in messages, ``sync_runs``
    where a plain ``def`` runs: ``threads`` (a pool or a threaded server), ``loop`` (on the event loop)."""

    each: str
    label: str
    sync_runs: str = "threads"


_HTTP = ("get", "post", "put", "patch", "delete", "head", "options", "trace")

DECORATORS: dict[str, Handler] = {}
"""Decorator path (``()`` at the end when it is called) → how the function runs."""

REGISTRARS: dict[str, tuple[int, str, Handler]] = {}
"""Path of a call that registers a function → (argument index, keyword, how it runs)."""

METHODS: dict[str, tuple[tuple[str, ...], Handler]] = {}
"""Base class path → (names of the methods called for every request, how they run)."""


def _decorators(bases: tuple[str, ...], names: tuple[str, ...], handler: Handler, bare: bool = False) -> None:
    for base in bases:
        for name in names:
            DECORATORS[f"{base}.{name}()"] = handler
            if bare:
                DECORATORS[f"{base}.{name}"] = handler


_FASTAPI = ("fastapi.FastAPI()", "fastapi.APIRouter()", "starlette.applications.Starlette()", "starlette.routing.Router()", "fastapi_utils.inferring_router.InferringRouter()", "ninja.NinjaAPI()", "ninja.Router()")  # fmt: skip
_ROUTE = Handler(REQUEST, "route handler")
_decorators(_FASTAPI, (*_HTTP, "api_route", "route", "websocket", "websocket_route", "middleware", "exception_handler"), _ROUTE)
_decorators(_FASTAPI, ("on_event",), Handler(ONCE, "start-up or shutdown hook", "loop"))

_FLASK = ("flask.Flask()", "flask.Blueprint()", "flask_openapi3.OpenAPI()", "flask_openapi3.APIBlueprint()", "apiflask.APIFlask()", "apiflask.APIBlueprint()", "flask_smorest.Blueprint()")  # fmt: skip
_decorators(_FLASK, (*_HTTP, "route", "errorhandler", "app_errorhandler"), _ROUTE)
_decorators(
    _FLASK,
    ("before_request", "after_request", "teardown_request", "teardown_appcontext", "context_processor", "app_context_processor", "before_app_request", "after_app_request", "teardown_app_request", "url_value_preprocessor"),
    Handler(REQUEST, "request hook"),
    bare=True,
)  # fmt: skip
_decorators(_FLASK, ("before_first_request",), Handler(ONCE, "start-up hook"), bare=True)
_QUART = ("quart.Quart()", "quart.Blueprint()")
_decorators(_QUART, (*_HTTP, "route", "websocket", "errorhandler"), _ROUTE)
_decorators(
    _QUART,
    ("before_request", "after_request", "teardown_request", "teardown_appcontext", "before_websocket"),
    Handler(REQUEST, "request hook"),
    bare=True,
)
_decorators(_QUART, ("before_serving", "after_serving", "while_serving"), Handler(ONCE, "start-up or shutdown hook", "loop"), bare=True)

_LOOP_ROUTE = Handler(REQUEST, "route handler", "loop")
_decorators(("aiohttp.web.RouteTableDef()",), (*_HTTP, "view", "route"), _LOOP_ROUTE)
DECORATORS["aiohttp.web.middleware"] = Handler(REQUEST, "middleware", "loop")
for _name in (*_HTTP, "view"):
    REGISTRARS[f"aiohttp.web.{_name}"] = (1, "handler", _LOOP_ROUTE)
    REGISTRARS[f"aiohttp.web.Application().router.add_{_name}"] = (1, "handler", _LOOP_ROUTE)
REGISTRARS["aiohttp.web.route"] = (2, "handler", _LOOP_ROUTE)
REGISTRARS["aiohttp.web.Application().router.add_route"] = (2, "handler", _LOOP_ROUTE)
for _signal in ("on_startup", "on_shutdown", "on_cleanup", "cleanup_ctx"):
    REGISTRARS[f"aiohttp.web.Application().{_signal}.append"] = (0, "", Handler(ONCE, "start-up or shutdown hook", "loop"))

_SANIC = ("sanic.Sanic()", "sanic.Blueprint()")
_decorators(_SANIC, (*_HTTP, "route", "websocket"), _LOOP_ROUTE)
_decorators(_SANIC, ("middleware", "on_request", "on_response", "exception"), Handler(REQUEST, "middleware", "loop"), bare=True)
_decorators(_SANIC, ("listener", "before_server_start", "after_server_start", "before_server_stop", "after_server_stop", "main_process_start"), Handler(ONCE, "start-up or shutdown hook", "loop"), bare=True)  # fmt: skip
for _base in _SANIC:
    REGISTRARS[f"{_base}.add_route"] = (0, "handler", _LOOP_ROUTE)
    REGISTRARS[f"{_base}.register_listener"] = (0, "listener", Handler(ONCE, "start-up or shutdown hook", "loop"))

for _name in (*_HTTP, "route", "websocket"):
    DECORATORS[f"litestar.{_name}()"] = _LOOP_ROUTE
    DECORATORS[f"starlite.{_name}()"] = _LOOP_ROUTE
    DECORATORS[f"bottle.{_name}()"] = _ROUTE
    DECORATORS[f"bottle.Bottle().{_name}()"] = _ROUTE
    DECORATORS[f"robyn.Robyn().{_name}()"] = _ROUTE
DECORATORS["litestar.handlers.get()"] = _LOOP_ROUTE
DECORATORS["pyramid.view.view_config()"] = _ROUTE
DECORATORS["cherrypy.expose"] = _ROUTE
for _name in ("route", "post", "get", "put", "delete", "hook"):
    DECORATORS[f"hug.{_name}()"] = _ROUTE
REGISTRARS["starlette.routing.Route"] = (1, "endpoint", _ROUTE)
REGISTRARS["starlette.routing.WebSocketRoute"] = (1, "endpoint", _ROUTE)
for _base in _FASTAPI:
    REGISTRARS[f"{_base}.add_api_route"] = (1, "endpoint", _ROUTE)
    REGISTRARS[f"{_base}.add_route"] = (1, "route", _ROUTE)
    REGISTRARS[f"{_base}.add_event_handler"] = (1, "func", Handler(ONCE, "start-up or shutdown hook", "loop"))
for _base in (*_FLASK, *_QUART):
    REGISTRARS[f"{_base}.add_url_rule"] = (2, "view_func", _ROUTE)
    for _hook in ("before_request", "after_request", "teardown_request", "teardown_appcontext"):
        REGISTRARS[f"{_base}.{_hook}"] = (0, "f", Handler(REQUEST, "request hook"))
for _name in ("path", "re_path", "url"):
    for _module in ("django.urls", "django.conf.urls", "django.urls.conf"):
        REGISTRARS[f"{_module}.{_name}"] = (1, "view", Handler(REQUEST, "view"))

_HTTP_METHODS = (*_HTTP, "dispatch", "dispatch_request")
for _base in (
    "flask.views.MethodView",
    "flask.views.View",
    "flask_restful.Resource",
    "flask_restx.Resource",
    "flask_restplus.Resource",
    "flask_smorest.MethodView",
):
    METHODS[_base] = (_HTTP_METHODS, Handler(REQUEST, "view"))
for _base in ("quart.views.MethodView", "quart.views.View"):
    METHODS[_base] = (_HTTP_METHODS, Handler(REQUEST, "view"))
for _base in (
    "django.views.View", "django.views.generic.TemplateView", "django.views.generic.ListView", "django.views.generic.DetailView", "django.views.generic.FormView",
    "django.views.generic.base.TemplateView", "django.views.generic.CreateView", "django.views.generic.UpdateView", "django.views.generic.DeleteView", "django.views.generic.RedirectView",
):  # fmt: skip
    METHODS[_base] = ((*_HTTP_METHODS, "get_context_data", "get_queryset", "form_valid", "get_object"), Handler(REQUEST, "view"))
_DRF = (
    *_HTTP_METHODS,
    "list",
    "create",
    "retrieve",
    "update",
    "partial_update",
    "destroy",
    "perform_create",
    "perform_update",
    "get_queryset",
)
for _base in ("rest_framework.views.APIView", "rest_framework.viewsets.ViewSet", "rest_framework.viewsets.GenericViewSet", "rest_framework.viewsets.ModelViewSet", "rest_framework.generics.GenericAPIView", "rest_framework.generics.ListAPIView", "rest_framework.generics.CreateAPIView", "rest_framework.generics.ListCreateAPIView", "rest_framework.viewsets.ReadOnlyModelViewSet"):  # fmt: skip
    METHODS[_base] = (_DRF, Handler(REQUEST, "view"))
DECORATORS["rest_framework.decorators.api_view()"] = Handler(REQUEST, "view")
DECORATORS["rest_framework.decorators.action()"] = Handler(REQUEST, "view")
METHODS["django.utils.deprecation.MiddlewareMixin"] = (
    ("process_request", "process_response", "process_view", "process_exception", "__call__"),
    Handler(REQUEST, "middleware"),
)
DECORATORS["django.dispatch.receiver()"] = Handler(REQUEST, "signal receiver")
for _name in ("require_http_methods()", "require_GET", "require_POST", "require_safe"):
    DECORATORS[f"django.views.decorators.http.{_name}"] = Handler(REQUEST, "view")
DECORATORS["django.views.decorators.csrf.csrf_exempt"] = Handler(REQUEST, "view")
DECORATORS["django.contrib.auth.decorators.login_required"] = Handler(REQUEST, "view")
METHODS["aiohttp.web.View"] = (_HTTP, _LOOP_ROUTE)
METHODS["sanic.views.HTTPMethodView"] = (_HTTP, _LOOP_ROUTE)
for _base in ("starlette.endpoints.HTTPEndpoint",):
    METHODS[_base] = (_HTTP, Handler(REQUEST, "endpoint"))
METHODS["starlette.endpoints.WebSocketEndpoint"] = (("on_connect", "on_receive", "on_disconnect"), Handler(REQUEST, "endpoint", "loop"))
METHODS["starlette.middleware.base.BaseHTTPMiddleware"] = (("dispatch",), Handler(REQUEST, "middleware", "loop"))
for _base in ("tornado.web.RequestHandler", "tornado.websocket.WebSocketHandler"):
    METHODS[_base] = (
        (*_HTTP, "prepare", "initialize", "on_finish", "on_message", "open", "on_close"),
        Handler(REQUEST, "request handler", "loop"),
    )
METHODS["http.server.BaseHTTPRequestHandler"] = (
    ("do_GET", "do_POST", "do_PUT", "do_DELETE", "do_PATCH", "do_HEAD"),
    Handler(REQUEST, "request handler"),
)
METHODS["http.server.SimpleHTTPRequestHandler"] = METHODS["http.server.BaseHTTPRequestHandler"]
for _base in ("socketserver.BaseRequestHandler", "socketserver.StreamRequestHandler", "socketserver.DatagramRequestHandler"):
    METHODS[_base] = (("handle", "setup", "finish"), Handler(REQUEST, "request handler"))
METHODS["watchdog.events.FileSystemEventHandler"] = (
    ("on_any_event", "on_created", "on_modified", "on_deleted", "on_moved"),
    Handler(MESSAGE, "event handler"),
)

_TASK = Handler(JOB, "task")
for _path in (
    "celery.Celery().task",
    "celery.shared_task",
    "celery.current_app.task",
    "celery.app.task.Task",
    "flask_celery.Celery().task",
):
    DECORATORS[_path] = DECORATORS[_path + "()"] = Handler(JOB, "Celery task")
for _path in ("celery.Celery().Task", "celery.current_app.Task"):
    METHODS[_path] = (("run", "__call__"), Handler(JOB, "Celery task"))
METHODS["celery.Task"] = (("run", "__call__"), Handler(JOB, "Celery task"))
for _path in ("dramatiq.actor",):
    DECORATORS[_path] = DECORATORS[_path + "()"] = Handler(JOB, "Dramatiq actor")
for _base in (
    "huey.Huey()",
    "huey.RedisHuey()",
    "huey.SqliteHuey()",
    "huey.MemoryHuey()",
    "huey.PriorityRedisHuey()",
    "huey.contrib.djhuey",
):
    for _name in ("task", "periodic_task", "db_task", "db_periodic_task"):
        DECORATORS[f"{_base}.{_name}()"] = Handler(JOB, "Huey task")
for _scheduler in ("BackgroundScheduler", "BlockingScheduler", "AsyncIOScheduler"):
    for _module in ("background", "blocking", "asyncio"):
        DECORATORS[f"apscheduler.schedulers.{_module}.{_scheduler}().scheduled_job()"] = Handler(JOB, "scheduled job")
DECORATORS["flask_apscheduler.APScheduler().task()"] = Handler(JOB, "scheduled job")
for _base in ("taskiq.InMemoryBroker()", "taskiq_redis.ListQueueBroker()", "taskiq_aio_pika.AioPikaBroker()", "taskiq_nats.NatsBroker()"):
    DECORATORS[f"{_base}.task"] = DECORATORS[f"{_base}.task()"] = Handler(JOB, "taskiq task", "threads")
for _base in ("faust.App()",):
    _decorators((_base,), ("agent", "timer", "crontab", "page"), Handler(MESSAGE, "agent", "loop"))
for _base in (
    "faststream.kafka.KafkaBroker()",
    "faststream.rabbit.RabbitBroker()",
    "faststream.nats.NatsBroker()",
    "faststream.redis.RedisBroker()",
):
    _decorators((_base,), ("subscriber",), Handler(MESSAGE, "message handler", "threads"))

_BOT = Handler(MESSAGE, "bot handler", "loop")
_DISCORD = (
    "discord.ext.commands.Bot()",
    "discord.ext.commands.AutoShardedBot()",
    "discord.Client()",
    "discord.Bot()",
    "discord.app_commands.CommandTree()",
)
_decorators(
    _DISCORD,
    ("event", "command", "hybrid_command", "slash_command", "listen", "group", "before_invoke", "user_command", "message_command"),
    _BOT,
    bare=True,
)
for _path in (
    "discord.ext.commands.command", "discord.ext.commands.group", "discord.ext.commands.hybrid_command", "discord.ext.commands.slash_command", "discord.app_commands.command",
    "discord.ext.commands.Cog.listener", "discord.ext.tasks.loop", "discord.slash_command", "discord.command", "discord.ext.commands.hybrid_group",
):  # fmt: skip
    DECORATORS[_path] = DECORATORS[_path + "()"] = _BOT
for _name in (
    "CommandHandler",
    "CallbackQueryHandler",
    "InlineQueryHandler",
    "MessageHandler",
    "ConversationHandler",
    "ChatMemberHandler",
    "PollHandler",
):
    _position = 0 if _name in ("CallbackQueryHandler", "InlineQueryHandler", "ChatMemberHandler", "PollHandler") else 1
    for _module in ("telegram.ext", "telegram.ext.commandhandler", "pyrogram.handlers"):
        REGISTRARS[f"{_module}.{_name}"] = (_position, "callback", Handler(MESSAGE, "bot handler", "loop"))
for _base in ("aiogram.Dispatcher()", "aiogram.Router()"):
    _decorators(
        (_base,),
        (
            "message",
            "callback_query",
            "message_handler",
            "callback_query_handler",
            "inline_query",
            "edited_message",
            "my_chat_member",
            "chat_member",
        ),
        _BOT,
    )
for _base in ("pyrogram.Client()", "pyrogram.Client", "telethon.TelegramClient()"):
    _decorators((_base,), ("on_message", "on_callback_query", "on_inline_query", "on", "on_edited_message", "on_chat_member_updated"), _BOT)
for _base in ("telebot.TeleBot()", "telebot.async_telebot.AsyncTeleBot()"):
    _decorators((_base,), ("message_handler", "callback_query_handler", "inline_handler"), Handler(MESSAGE, "bot handler"))
for _base in ("slack_bolt.App()", "slack_bolt.async_app.AsyncApp()"):
    _decorators((_base,), ("event", "command", "message", "action", "shortcut", "view"), Handler(MESSAGE, "bot handler"))
for _base in ("flask_socketio.SocketIO()", "socketio.Server()", "socketio.AsyncServer()"):
    _decorators((_base,), ("on", "event"), Handler(MESSAGE, "socket handler"), bare=True)
for _base in ("mcp.server.fastmcp.FastMCP()", "fastmcp.FastMCP()", "mcp.server.FastMCP()"):
    _decorators((_base,), ("tool", "resource", "prompt"), Handler(REQUEST, "tool handler"), bare=True)

DECORATORS["functions_framework.http"] = Handler(REQUEST, "cloud function")
DECORATORS["functions_framework.cloud_event"] = Handler(REQUEST, "cloud function")
DECORATORS["firebase_functions.https_fn.on_request()"] = Handler(REQUEST, "cloud function")
for _base in ("azure.functions.FunctionApp()", "azure.functions.Blueprint()"):
    _decorators((_base,), ("route", "function_name", "timer_trigger", "queue_trigger", "blob_trigger", "service_bus_queue_trigger", "event_hub_message_trigger", "cosmos_db_trigger", "schedule"), Handler(REQUEST, "Azure function"))  # fmt: skip
for _path in (
    "chalice.Chalice().route()",
    "chalice.Chalice().lambda_function()",
    "chalice.Chalice().schedule()",
    "chalice.Chalice().on_sqs_message()",
):
    DECORATORS[_path] = Handler(REQUEST, "Lambda function")
METHODS["scrapy.Spider"] = (("parse", "parse_item", "parse_page"), Handler(REQUEST, "spider callback"))
METHODS["scrapy.spiders.CrawlSpider"] = (("parse_item", "parse_page"), Handler(REQUEST, "spider callback"))

DEPENDS = "fastapi.Depends"

ONCE_METHODS = frozenset(
    (
        "open_spider",
        "ready",
        "setup_hook",
        "startup",
        "on_startup",
        "cog_load",
        "setUpClass",
        "setUp",
        "asyncSetUp",
        "from_crawler",
        "cog_unload",
        "close_spider",
    )
)

ONCE_HANDLERS = frozenset(
    ("on_ready", "on_connect", "setup_hook", "on_startup", "on_shutdown", "initialize_app", "post_init", "post_shutdown")
)
"""Names of handlers that a framework calls when it starts or stops, whatever their decorator."""

STREAMLIT_SETUP = ("streamlit.cache_resource", "streamlit.cache_data", "streamlit.set_page_config", "streamlit.session_state")
"""What a library module that only prepares things for Streamlit may call at its top level."""

_REQUEST_TYPES: tuple[tuple[str, str, str], ...] = (
    ("aiohttp.web.", "request", "aiohttp.web.Request()"),
    ("sanic.", "request", "sanic.Request()"),
    ("fastapi.", "request", "starlette.requests.Request()"),
    ("starlette.", "request", "starlette.requests.Request()"),
    ("discord.", "ctx", "discord.ext.commands.Context()"),
)


def request_type(path: str, name: str) -> str:
    """The type a framework passes into a handler's unannotated parameter, by the handler's decorator, base or registrar."""
    if path not in DECORATORS and path not in REGISTRARS and path.removesuffix("()") not in METHODS:
        return ""
    for prefix, parameter, kind in _REQUEST_TYPES:
        if path.startswith(prefix) and (name == parameter or (parameter == "request" and name == "req")):
            return kind
    return ""
