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


ATTRIBUTES: dict[tuple[str, str], Handler] = {}
"""What an attribute that a function is assigned to makes of it: (path of the object, attribute) → how the function runs."""


def _decorators(bases: tuple[str, ...], names: tuple[str, ...], handler: Handler) -> None:
    """Rows for decorators that are called: ``@app.get("/")``."""
    for base in bases:
        for name in names:
            DECORATORS[f"{base}.{name}()"] = handler


def _bare(bases: tuple[str, ...], names: tuple[str, ...], handler: Handler) -> None:
    """Rows for decorators that are not called: ``@app.before_request``."""
    for base in bases:
        for name in names:
            DECORATORS[f"{base}.{name}"] = handler


_VERBS = ("get", "post", "put", "patch", "delete")
_ROUTE = Handler(REQUEST, "route handler")
_HOOK = Handler(REQUEST, "request hook")
_START = Handler(ONCE, "start-up or shutdown hook", "loop")

_FASTAPI = ("fastapi.FastAPI()", "fastapi.APIRouter()", "fastapi_utils.inferring_router.InferringRouter()")
_STARLETTE = ("starlette.applications.Starlette()", "starlette.routing.Router()")
_NINJA = ("ninja.NinjaAPI()", "ninja.Router()")
_decorators(_FASTAPI, (*_HTTP, "api_route", "websocket"), _ROUTE)
_decorators((*_FASTAPI, *_STARLETTE), ("route", "websocket_route"), _ROUTE)
_decorators((_FASTAPI[0], _STARLETTE[0]), ("middleware", "exception_handler"), _ROUTE)
_decorators((*_FASTAPI, *_STARLETTE), ("on_event",), _START)
_decorators(_NINJA, (*_VERBS, "api_operation"), _ROUTE)
_decorators(_NINJA[:1], ("exception_handler",), _ROUTE)
REGISTRARS["starlette.routing.Route"] = (1, "endpoint", _ROUTE)
REGISTRARS["starlette.routing.WebSocketRoute"] = (1, "endpoint", _ROUTE)
for _base in (*_FASTAPI, *_STARLETTE):
    REGISTRARS[f"{_base}.add_route"] = (1, "route", _ROUTE)
    REGISTRARS[f"{_base}.add_websocket_route"] = (1, "route", _ROUTE)
    REGISTRARS[f"{_base}.add_event_handler"] = (1, "func", _START)
for _base in _FASTAPI:
    REGISTRARS[f"{_base}.add_api_route"] = (1, "endpoint", _ROUTE)
    REGISTRARS[f"{_base}.add_api_websocket_route"] = (1, "endpoint", _ROUTE)
for _base in (_FASTAPI[0], _STARLETTE[0]):
    REGISTRARS[f"{_base}.add_exception_handler"] = (1, "handler", _ROUTE)

_FLASK_APPS = ("flask.Flask()", "flask_openapi3.OpenAPI()", "apiflask.APIFlask()")
_FLASK_BLUEPRINTS = ("flask.Blueprint()", "flask_openapi3.APIBlueprint()", "apiflask.APIBlueprint()", "flask_smorest.Blueprint()")
_FLASK = (*_FLASK_APPS, *_FLASK_BLUEPRINTS)
_QUART = ("quart.Quart()", "quart.Blueprint()")
_decorators((*_FLASK, *_QUART), (*_VERBS, "route", "errorhandler"), _ROUTE)
_decorators((*_FLASK_BLUEPRINTS, _QUART[1]), ("app_errorhandler",), _ROUTE)
_decorators(_QUART, ("websocket",), _ROUTE)
_bare((*_FLASK, *_QUART), ("before_request", "after_request", "teardown_request", "context_processor", "url_value_preprocessor"), _HOOK)
_bare((*_FLASK_APPS, _QUART[0]), ("teardown_appcontext",), _HOOK)
_bare(
    (*_FLASK_BLUEPRINTS, _QUART[1]),
    ("before_app_request", "after_app_request", "teardown_app_request", "app_context_processor", "app_url_value_preprocessor"),
    _HOOK,
)
_bare(("flask", "quart"), ("after_this_request",), _HOOK)
for _name in ("request_started", "request_finished"):
    REGISTRARS[f"django.core.signals.{_name}.connect"] = (0, "receiver", _HOOK)
_bare(_QUART, ("before_websocket", "after_websocket", "teardown_websocket"), _HOOK)
_bare(_FLASK_APPS, ("before_first_request",), _START)
_bare(_FLASK_BLUEPRINTS, ("before_app_first_request",), _START)
_bare(_QUART[:1], ("before_serving", "after_serving", "while_serving"), _START)
_bare(_QUART[1:], ("before_app_serving", "after_app_serving", "while_app_serving"), _START)
for _base in (*_FLASK, *_QUART):
    REGISTRARS[f"{_base}.add_url_rule"] = (2, "view_func", _ROUTE)
    for _name in ("before_request", "after_request", "teardown_request"):
        REGISTRARS[f"{_base}.{_name}"] = (0, "f", _HOOK)
for _base in (*_FLASK_APPS, _QUART[0]):
    REGISTRARS[f"{_base}.teardown_appcontext"] = (0, "f", _HOOK)

_LOOP_ROUTE = Handler(REQUEST, "route handler", "loop")
_AIOHTTP_VERBS = (*_VERBS, "head", "options", "view")
_decorators(("aiohttp.web.RouteTableDef()",), (*_AIOHTTP_VERBS, "route"), _LOOP_ROUTE)
DECORATORS["aiohttp.web.middleware"] = Handler(REQUEST, "middleware", "loop")
for _name in _AIOHTTP_VERBS:
    REGISTRARS[f"aiohttp.web.{_name}"] = (1, "handler", _LOOP_ROUTE)
    REGISTRARS[f"aiohttp.web.Application().router.add_{_name}"] = (1, "handler", _LOOP_ROUTE)
REGISTRARS["aiohttp.web.route"] = (2, "handler", _LOOP_ROUTE)
REGISTRARS["aiohttp.web.Application().router.add_route"] = (2, "handler", _LOOP_ROUTE)
for _name in ("on_startup", "on_shutdown", "on_cleanup", "cleanup_ctx"):
    REGISTRARS[f"aiohttp.web.Application().{_name}.append"] = (0, "", _START)

_SANIC = ("sanic.Sanic()", "sanic.Blueprint()")
_SANIC_HOOKS = ("before_server_start", "after_server_start", "before_server_stop", "after_server_stop", "main_process_start")
_MIDDLEWARE = Handler(REQUEST, "middleware", "loop")
_decorators(_SANIC, (*_VERBS, "head", "options", "route", "websocket"), _LOOP_ROUTE)
_decorators(_SANIC, ("middleware", "on_request", "on_response", "exception"), _MIDDLEWARE)
_bare(_SANIC, ("middleware", "on_request", "on_response"), _MIDDLEWARE)
_decorators(_SANIC, ("listener",), _START)
_bare(_SANIC, _SANIC_HOOKS, _START)
for _base in _SANIC:
    REGISTRARS[f"{_base}.add_route"] = (0, "handler", _LOOP_ROUTE)
    REGISTRARS[f"{_base}.add_websocket_route"] = (0, "handler", _LOOP_ROUTE)
    REGISTRARS[f"{_base}.register_listener"] = (0, "listener", _START)
    REGISTRARS[f"{_base}.register_middleware"] = (0, "middleware", _MIDDLEWARE)

_CONNECTION = Handler(REQUEST, "connection handler", "loop")
for _name in ("asyncio.start_server", "asyncio.start_unix_server"):
    REGISTRARS[_name] = (0, "client_connected_cb", _CONNECTION)
REGISTRARS["websockets.serve"] = (0, "handler", _CONNECTION)

_decorators(("litestar", "starlite"), (*_VERBS, "head", "route", "websocket"), _LOOP_ROUTE)
_decorators(("bottle", "bottle.Bottle()"), (*_VERBS, "route"), _ROUTE)
_decorators(("bottle", "bottle.Bottle()"), ("error", "hook"), _HOOK)
_decorators(("robyn.Robyn()",), (*_VERBS, "head", "options", "before_request", "after_request"), _ROUTE)
DECORATORS["pyramid.view.view_config()"] = _ROUTE
REGISTRARS["pyramid.config.Configurator().add_view"] = (0, "view", _ROUTE)
DECORATORS["cherrypy.expose"] = _ROUTE
_decorators(("hug",), (*_VERBS, "call"), _ROUTE)
for _module in ("django.urls", "django.urls.conf"):
    for _name in ("path", "re_path"):
        REGISTRARS[f"{_module}.{_name}"] = (1, "view", Handler(REQUEST, "view"))
REGISTRARS["django.conf.urls.url"] = (1, "view", Handler(REQUEST, "view"))

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

for _path in (
    "celery.Celery().task",
    "celery.shared_task",
    "celery.current_app.task",
    "flask_celery.Celery().task",
):
    DECORATORS[_path] = DECORATORS[_path + "()"] = Handler(JOB, "Celery task")
for _path in ("celery.Celery().task", "celery.shared_task"):
    REGISTRARS[_path] = (0, "", Handler(JOB, "Celery task"))
for _path in ("celery.Celery().Task", "celery.current_app.Task"):
    METHODS[_path] = (("run", "__call__"), Handler(JOB, "Celery task"))
METHODS["celery.Task"] = (("run", "__call__"), Handler(JOB, "Celery task"))
for _path in ("dramatiq.actor",):
    DECORATORS[_path] = DECORATORS[_path + "()"] = Handler(JOB, "Dramatiq actor")
_HUEY = Handler(JOB, "Huey task")
_decorators(
    ("huey.Huey()", "huey.RedisHuey()", "huey.SqliteHuey()", "huey.MemoryHuey()", "huey.PriorityRedisHuey()", "huey.contrib.djhuey"),
    ("task", "periodic_task"),
    _HUEY,
)
_decorators(("huey.contrib.djhuey",), ("db_task", "db_periodic_task"), _HUEY)
for _path in (
    "apscheduler.schedulers.background.BackgroundScheduler()",
    "apscheduler.schedulers.blocking.BlockingScheduler()",
    "apscheduler.schedulers.asyncio.AsyncIOScheduler()",
):
    DECORATORS[_path + ".scheduled_job()"] = Handler(JOB, "scheduled job")
DECORATORS["flask_apscheduler.APScheduler().task()"] = Handler(JOB, "scheduled job")
for _base in ("taskiq.InMemoryBroker()", "taskiq_redis.ListQueueBroker()", "taskiq_aio_pika.AioPikaBroker()", "taskiq_nats.NatsBroker()"):
    DECORATORS[f"{_base}.task"] = DECORATORS[f"{_base}.task()"] = Handler(JOB, "taskiq task", "threads")
_decorators(("dash.Dash()", "dash"), ("callback",), Handler(REQUEST, "callback"))
for _name in ("Interface", "ChatInterface"):
    REGISTRARS[f"gradio.{_name}"] = (0, "fn", Handler(REQUEST, "event handler"))
for _path in ("rpc.rpc", "rpc.rpc()", "web.handlers.http()", "timer.timer()"):
    DECORATORS[f"nameko.{_path}"] = Handler(REQUEST, "service method")
for _path in ("events.event_handler()", "messaging.consume()"):
    DECORATORS[f"nameko.{_path}"] = Handler(MESSAGE, "service method")
for _path in ("temporalio.activity.defn", "temporalio.activity.defn()"):
    DECORATORS[_path] = Handler(JOB, "activity")
_CALLBACK = Handler(MESSAGE, "message callback")
for _base in ("paho.mqtt.client.Client()", "websocket.WebSocketApp()"):
    ATTRIBUTES[_base, "on_message"] = _CALLBACK
REGISTRARS["paho.mqtt.client.Client().message_callback_add"] = (1, "callback", _CALLBACK)
REGISTRARS["websocket.WebSocketApp"] = (99, "on_message", _CALLBACK)
_decorators(("flask_mqtt.Mqtt()",), ("on_message", "on_topic"), _CALLBACK)
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
_DISCORD = ("discord.ext.commands.Bot()", "discord.ext.commands.AutoShardedBot()", "discord.Bot()")
_bare((*_DISCORD, "discord.Client()"), ("event",), _BOT)
_bare(_DISCORD, ("before_invoke", "after_invoke"), _BOT)
_decorators(_DISCORD, ("command", "hybrid_command", "slash_command", "listen", "group", "user_command", "message_command"), _BOT)
_decorators(("discord.app_commands.CommandTree()",), ("command", "context_menu"), _BOT)
_decorators(("discord.ext.commands",), ("command", "group", "hybrid_command", "hybrid_group", "slash_command"), _BOT)
_decorators(("discord.app_commands",), ("command", "context_menu"), _BOT)
_decorators(("discord",), ("slash_command", "user_command", "message_command", "command"), _BOT)
DECORATORS["discord.ext.commands.Cog.listener()"] = _BOT
DECORATORS["discord.ext.tasks.loop()"] = _BOT
for _name, _position in (
    ("CommandHandler", 1),
    ("MessageHandler", 1),
    ("CallbackQueryHandler", 0),
    ("InlineQueryHandler", 0),
    ("ChatMemberHandler", 0),
    ("PollHandler", 0),
):
    REGISTRARS[f"telegram.ext.{_name}"] = (_position, "callback", _BOT)
for _name in ("MessageHandler", "CallbackQueryHandler", "InlineQueryHandler", "ChatMemberUpdatedHandler", "PollHandler"):
    REGISTRARS[f"pyrogram.handlers.{_name}"] = (0, "callback", _BOT)
_AIOGRAM = ("message", "callback_query", "inline_query", "edited_message", "my_chat_member", "chat_member")
_decorators(("aiogram.Dispatcher()", "aiogram.Router()"), _AIOGRAM, _BOT)
_decorators(("aiogram.Dispatcher()",), ("message_handler", "callback_query_handler", "inline_handler"), _BOT)
_decorators(
    ("pyrogram.Client()", "pyrogram.Client"),
    ("on_message", "on_callback_query", "on_inline_query", "on_edited_message", "on_chat_member_updated"),
    _BOT,
)
_decorators(("telethon.TelegramClient()",), ("on",), _BOT)
for _base in ("telebot.TeleBot()", "telebot.async_telebot.AsyncTeleBot()"):
    _decorators((_base,), ("message_handler", "callback_query_handler", "inline_handler"), Handler(MESSAGE, "bot handler"))
for _base in ("slack_bolt.App()", "slack_bolt.async_app.AsyncApp()"):
    _decorators((_base,), ("event", "command", "message", "action", "shortcut", "view"), Handler(MESSAGE, "bot handler"))
_SOCKETS = ("flask_socketio.SocketIO()", "socketio.Server()", "socketio.AsyncServer()")
_decorators(_SOCKETS, ("on", "event"), Handler(MESSAGE, "socket handler"))
_bare(_SOCKETS, ("event",), Handler(MESSAGE, "socket handler"))
_RESOLVER = Handler(REQUEST, "resolver")
_bare(("strawberry",), ("field", "mutation", "subscription"), _RESOLVER)
_decorators(("strawberry",), ("field", "mutation", "subscription"), _RESOLVER)
_decorators(("ariadne.QueryType()", "ariadne.MutationType()", "ariadne.ObjectType()"), ("field",), _RESOLVER)
_TOOL = Handler(REQUEST, "tool handler")
_decorators(("mcp.server.fastmcp.FastMCP()", "fastmcp.FastMCP()"), ("tool", "resource", "prompt"), _TOOL)
_bare(("fastmcp.FastMCP()",), ("tool", "prompt"), _TOOL)

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
_decorators(("chalice.Chalice()",), ("on_sns_message", "on_s3_event", "on_cw_event", "on_ws_message"), Handler(REQUEST, "Lambda function"))
_decorators(("aws_lambda_powertools.event_handler.APIGatewayRestResolver()",), (*_VERBS, "route"), _ROUTE)
METHODS["scrapy.Spider"] = (("parse", "parse_item", "parse_page"), Handler(REQUEST, "spider callback"))
METHODS["scrapy.spiders.CrawlSpider"] = (("parse_item", "parse_page"), Handler(REQUEST, "spider callback"))

INJECTORS: dict[str, str] = {"fastapi.Depends": "FastAPI", "litestar.di.Provide": "Litestar"}
"""What wraps a provider that a framework calls for every request: path → name of the framework."""

CONFIGURED_METHODS = frozenset(("initialize",))
"""Methods of handlers that are given what the application was configured with, the same for every request."""

APPLICATION_WIDE = frozenset(
    (
        ("request", "app"),
        ("req", "app"),
        ("websocket", "app"),
        ("request", "registry"),
        ("spider", "settings"),
        ("spider", "crawler"),
        ("crawler", "settings"),
        ("ctx", "bot"),
        ("context", "bot_data"),
        ("context", "application"),
    )
)
"""Name of what a handler is given and attribute of it: what is the same for every request, message or item."""

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


_APPLICATION_HOOKS: tuple[tuple[str, str], ...] = (
    *((f"aiohttp.web.Application().{name}.append", "aiohttp.web.Application()") for name in ("on_startup", "on_shutdown", "on_cleanup", "cleanup_ctx")),
    *((f"{base}.{name}", "sanic.Sanic()") for base in _SANIC for name in (*_SANIC_HOOKS, "listener()", "register_listener")),
)  # fmt: skip
_LIFESPANS = ("fastapi.FastAPI", "starlette.applications.Starlette", "litestar.Litestar")


def application_type(path: str, parameter: str) -> str:
    """The application that a framework passes into the first parameter of a start-up or shutdown hook.

    ``path`` is the hook's decorator or registrar, or what is called with the hook as its keyword ``parameter``.
    """
    if not parameter:
        return next((kind for hook, kind in _APPLICATION_HOOKS if path == hook), "")
    return path + "()" if parameter in ("lifespan", "on_startup", "on_shutdown") and path in _LIFESPANS else ""
