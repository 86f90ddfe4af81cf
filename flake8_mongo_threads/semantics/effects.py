"""Effects that a transaction cannot undo: mail, requests, queues, files, processes, and state that outlives a callback."""

import ast
from collections.abc import Iterator

from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.syntax import FUNCTIONS, base_of, last_name, names_in, path_key
from flake8_mongo_threads.semantics.transactions import Piece
from flake8_mongo_threads.semantics.values import Driver, External, Mapping, Sequence, Value

_MODULES = ("requests", "httpx", "smtplib", "aiosmtplib", "urllib.request", "urllib3", "aiohttp", "boto3", "botocore", "subprocess", "pika", "aio_pika", "kafka", "aiokafka",
            "confluent_kafka", "redis", "stripe", "twilio", "sendgrid", "slack_sdk", "paramiko", "ftplib", "telegram", "paho.mqtt", "nats", "shutil", "resend", "mailchimp", "firebase_admin", "pywebpush")  # fmt: skip
_VERBS = frozenset(
    (
        "get", "post", "put", "patch", "delete", "request", "send", "sendmail", "send_message", "send_mail", "urlopen", "publish", "basic_publish", "produce", "run", "Popen", "call",
        "check_call", "check_output", "create", "execute", "set", "incr", "lpush", "rpush", "xadd", "upload_file", "put_object", "send_raw", "send_and_wait", "head", "copy", "copyfile",
        "move", "rmtree", "chat_postMessage", "storbinary", "urlretrieve", "webpush", "stream", "putrequest", "hset", "sadd", "zadd", "decr", "expire", "send_email", "invoke",
    )
)  # fmt: skip
_PATHS = frozenset(
    (
        "django.core.mail.send_mail", "django.core.mail.send_mass_mail", "django.core.mail.mail_admins", "django.core.mail.mail_managers",
        "os.remove", "os.unlink", "os.rename", "os.replace", "os.mkdir", "os.makedirs", "os.rmdir", "os.system", "os.kill", "os.write",
    )
)  # fmt: skip
_QUEUES = (
    "queue.",
    "asyncio.Queue",
    "asyncio.queues.",
    "asyncio.LifoQueue",
    "asyncio.PriorityQueue",
    "multiprocessing.Queue",
    "multiprocessing.JoinableQueue",
    "multiprocessing.queues.",
    "janus.",
    "collections.deque",
)
_QUEUE_VERBS = frozenset(("put", "put_nowait", "append", "appendleft", "sync_put"))
_FILES = (
    "builtins.open",
    "io.open",
    "codecs.open",
    "gzip.open",
    "aiofiles.open",
    "tempfile.NamedTemporaryFile",
    "pathlib.Path().open",
    "csv.writer",
    "csv.DictWriter",
)
_FILE_VERBS = frozenset(("write", "writelines", "writerow", "writerows", "truncate"))
_PATH_VERBS = frozenset(("write_text", "write_bytes", "unlink", "rename", "replace", "mkdir", "touch", "rmdir"))
_TASK_VERBS = frozenset(("delay", "apply_async", "send_task", "enqueue", "enqueue_job", "kiq"))
_GROWING = frozenset(
    (
        "append",
        "extend",
        "add",
        "update",
        "insert",
        "appendleft",
        "setdefault",
        "pop",
        "remove",
        "popleft",
        "discard",
        "clear",
        "put",
        "put_nowait",
    )
)
_CONTAINERS = frozenset(
    ("builtins.set()", "builtins.list()", "builtins.dict()", "collections.defaultdict()", "collections.Counter()", "collections.deque()")
)


def effects_of(piece: Piece) -> Iterator[tuple[ast.AST, str]]:
    """The effects outside the database of one function inside a transaction: the node and a text for it."""
    module = piece.module
    index = module.index
    anew = _made_anew(piece.scope)
    for call in index.calls:
        if index.scope_of_node[call].function is piece.scope.function and piece.covers(call):
            text = _called(piece, call, anew)
            if text:
                yield call, text
    for name, bindings in _assigned_outside(piece.scope):
        for node in bindings:
            statement = index.statement(node)
            if isinstance(statement, ast.AugAssign) and statement.target is node and name not in anew:
                yield statement.target, f"'{name}' is counted up"
    for store in index.item_stores:
        if store.how == "aug" and store.scope.function is piece.scope.function and _outer_name(piece.scope, base_of(store.target)):
            if path_key(base_of(store.target)) not in anew:
                yield store.target, f"an item of '{path_key(base_of(store.target))}' is counted up"
    for attribute, stores in index.attribute_stores.items():
        for store in stores:
            if store.how == "aug" and store.scope.function is piece.scope.function and isinstance(store.target, ast.Attribute):
                if _outer_name(piece.scope, store.target.value) and path_key(store.target) not in anew:
                    yield store.target, f"'{attribute}' is counted up"


def _made_anew(scope: Scope) -> frozenset[str]:
    """The outer state that every run of a function begins anew, by its first statements: ``total = 0``, ``found.clear()``."""
    found: set[str] = set()
    for statement in getattr(scope.node, "body", []) if isinstance(scope.node, FUNCTIONS) else []:
        if isinstance(statement, ast.Assign):
            read = names_in(statement.value)
            for target in statement.targets:
                whole = target.value if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Slice) else target
                if read.isdisjoint(names_in(whole)):
                    found.add(path_key(whole))
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            found.add(path_key(statement.target))
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            func = statement.value.func
            if not isinstance(func, ast.Attribute) or func.attr != "clear":
                break
            found.add(path_key(func.value))
        elif not isinstance(statement, (ast.Nonlocal, ast.Global, ast.Expr)):
            break
    return frozenset(found - {""})


def _called(piece: Piece, call: ast.Call, anew: frozenset[str]) -> str:
    """What a call does outside the database, or an empty text."""
    module = piece.module
    verb = last_name(call.func)
    if verb in _TASK_VERBS and isinstance(call.func, ast.Attribute):
        return f"'{verb}' enqueues a job"
    if (
        verb in _VERBS
        or verb in _QUEUE_VERBS
        or verb in _FILE_VERBS
        or verb in _PATH_VERBS
        or verb in _GROWING
        or isinstance(call.func, ast.Name)
    ):
        for value in module.values(call.func):
            path = _path(value)
            if path in _PATHS:
                return f"'{verb}' acts at once"
            if verb in _VERBS and path.startswith(_MODULES) and path.partition(".")[0] in _TOPS:
                return f"'{verb}' of {path.partition('.')[0]} acts at once"
    if not isinstance(call.func, ast.Attribute):
        return ""
    receiver = call.func.value
    if path_key(base_of(receiver, (ast.Subscript,))) in anew:
        return ""
    for value in module.values(receiver):
        path = _path(value)
        if verb in _QUEUE_VERBS and path.startswith(_QUEUES):
            return f"'{verb}' fills a queue" if _outlives(piece.scope, receiver) else ""
        if verb in _FILE_VERBS and path.startswith(_FILES):
            return f"'{verb}' writes a file"
        if verb in _PATH_VERBS and path.startswith(("pathlib.Path", "pathlib.PosixPath")):
            return f"'{verb}' changes a file"
        if verb in _VERBS and path.startswith(_MODULES) and path.partition(".")[0] in _TOPS:
            return f"'{verb}' of {path.partition('.')[0]} acts at once"
    if verb in _GROWING and _container(piece, receiver) and _outlives(piece.scope, receiver):
        return f"'{verb}' changes a container that outlives the callback"
    return ""


_TOPS = frozenset(name.partition(".")[0] for name in _MODULES)


def _path(value: Value) -> str:
    return value.path if isinstance(value, External) else ""


def _container(piece: Piece, receiver: ast.AST) -> bool:
    """Whether a receiver is a plain container of the program, told by where it was made."""
    values = piece.module.values(receiver)
    if any(isinstance(v, Driver) for v in values):
        return False
    if isinstance(receiver, ast.Subscript) and any(
        isinstance(v, Mapping) and _of_containers(v) for v in piece.module.values(receiver.value)
    ):
        return True
    return any(isinstance(v, (Sequence, Mapping)) or _path(v) in _CONTAINERS for v in values)


def _of_containers(value: Mapping) -> bool:
    """Whether a mapping is a ``defaultdict`` of plain containers."""
    made = value.site.node if value.site is not None else None
    return (
        isinstance(made, ast.Call)
        and last_name(made.func) == "defaultdict"
        and bool(made.args)
        and last_name(made.args[0]) in ("list", "set", "dict", "deque", "Counter")
    )


def _outlives(scope: Scope, receiver: ast.AST) -> bool:
    """Whether an object is not made by the function itself: a global, a variable of an outer function, an attribute of one."""
    base = base_of(receiver)
    return isinstance(base, ast.Name) and (_outer_name(scope, base) or (isinstance(receiver, ast.Attribute) and base.id in ("self", "cls")))


def _outer_name(scope: Scope, node: ast.AST) -> bool:
    """Whether a name comes from outside a function: from a global, an outer function, or as ``self``."""
    if not isinstance(node, ast.Name):
        return False
    if node.id in ("self", "cls"):
        return True
    if node.id in scope.globals or node.id in scope.nonlocals:
        return True
    return node.id not in scope.function.bindings


def _assigned_outside(scope: Scope) -> Iterator[tuple[str, list[ast.AST]]]:
    """The ``nonlocal`` and ``global`` names that a function assigns, with the targets."""
    for name in sorted(scope.nonlocals | scope.globals):
        current: Scope | None = scope.parent
        while current is not None:
            nodes = [b.node for b in current.bindings.get(name, ()) if b.how == "aug" and b.scope.function is scope.function]
            if nodes:
                yield name, nodes
                break
            current = current.parent
