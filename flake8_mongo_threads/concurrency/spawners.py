"""What runs a callable or a coroutine somewhere else: threads, processes, tasks, callbacks. Data.

One row a launcher, by the canonical path of what is called. How the arguments travel into the callable is part of the
row, so that a parameter's kind can be followed through the launcher.
"""

from typing import NamedTuple

THREAD = "thread"
PROCESS = "process"
TASK = "task"
GREENLET = "greenlet"
EXECUTOR = "executor"
"""Runs where the executor given as the first argument runs: a thread unless that is a process pool."""
RUN = "run"
"""Runs a coroutine on an event loop of its own until it is done (``asyncio.run``)."""
CALLBACK = "callback"
"""Called by the event loop on its own thread (``call_soon``): it must not block."""
SIGNAL = "signal"
FINALIZER = "finalizer"
EXIT = "exit"
JOB = "job"
"""Run again and again by a scheduler, on a worker thread."""

REST = "rest"
"""The positional arguments behind the callable, and all keywords, are its arguments."""
TUPLE = "tuple"
"""A tuple (``args=``) and a dictionary (``kwargs=``) hold its arguments."""
EACH = "each"
"""Each element of the iterables behind the callable is one argument of one call."""
STAR = "star"
"""Each element of the iterable behind the callable is the tuple of arguments of one call."""
COROUTINE = "coroutine"
"""The argument is a coroutine or several (``*coros``, or a list): the call that made it runs there."""
DATASET = "dataset"
"""The argument is an object that the workers, when a literal says that there are some, ask for its items."""
OWN = "own"
"""What is given beside the callable is for the launcher itself, which says what it is called with."""
NONE = "none"


class Launcher(NamedTuple):
    """One way to start work elsewhere.

    ``index`` and ``keyword`` say which argument is the callable; ``many`` whether one call of the launcher already
    starts several concurrent runs; ``args_index`` where a ``TUPLE`` launcher has its ``args``; ``label`` is for messages.
    """

    where: str
    index: int  # type: ignore[assignment]  # the name hides tuple.index, which nobody calls on a row
    keyword: str
    passing: str
    many: bool = False
    args_index: int = -1
    label: str = ""
    args_keyword: str = "args"
    joined: bool = False
    """Whether the call itself waits for the work (``map`` of a pool, ``to_thread`` once awaited)."""


def _pool(prefix: str, where: str) -> dict[str, Launcher]:
    return {
        prefix + ".apply": Launcher(where, 0, "func", TUPLE, False, 1, joined=True),
        prefix + ".apply_async": Launcher(where, 0, "func", TUPLE, False, 1),
        prefix + ".map": Launcher(where, 0, "func", EACH, True, joined=True),
        prefix + ".map_async": Launcher(where, 0, "func", EACH, True),
        prefix + ".imap": Launcher(where, 0, "func", EACH, True),
        prefix + ".imap_unordered": Launcher(where, 0, "func", EACH, True),
        prefix + ".starmap": Launcher(where, 0, "func", STAR, True, joined=True),
        prefix + ".starmap_async": Launcher(where, 0, "func", STAR, True),
    }


def _executor(prefix: str, where: str) -> dict[str, Launcher]:
    return {
        prefix + ".submit": Launcher(where, 0, "fn", REST),
        prefix + ".map": Launcher(where, 0, "fn", EACH, True),
    }


LAUNCHERS: dict[str, Launcher] = {
    "threading.Thread": Launcher(THREAD, 1, "target", TUPLE, False, 3),
    "threading.Thread().__init__": Launcher(THREAD, 1, "target", TUPLE, False, 3),
    "threading.Timer": Launcher(THREAD, 1, "function", TUPLE, False, 2, "timer thread"),
    "_thread.start_new_thread": Launcher(THREAD, 0, "function", TUPLE, False, 1),
    "thread.start_new_thread": Launcher(THREAD, 0, "function", TUPLE, False, 1),
    **_executor("concurrent.futures.ThreadPoolExecutor()", THREAD),
    **_executor("concurrent.futures.Executor()", THREAD),
    **_executor("concurrent.futures.ProcessPoolExecutor()", PROCESS),
    **_executor("loky.get_reusable_executor()", PROCESS),
    **_executor("flask_executor.Executor()", THREAD),
    "concurrent.futures.ThreadPoolExecutor": Launcher(THREAD, 2, "initializer", TUPLE, True, 3, "initializer of the pool", "initargs"),
    "concurrent.futures.ProcessPoolExecutor": Launcher(PROCESS, 2, "initializer", TUPLE, True, 3, "initializer of the pool", "initargs"),
    "multiprocessing.Pool": Launcher(PROCESS, 1, "initializer", TUPLE, True, 2, "initializer of the pool", "initargs"),
    "multiprocessing.pool.ThreadPool": Launcher(THREAD, 1, "initializer", TUPLE, True, 2, "initializer of the pool", "initargs"),
    **_pool("multiprocessing.pool.ThreadPool()", THREAD),
    **_pool("multiprocessing.Pool()", PROCESS),
    "multiprocessing.Process": Launcher(PROCESS, 1, "target", TUPLE, False, 3),
    "asyncio.to_thread": Launcher(THREAD, 0, "func", REST, joined=True),
    "anyio.to_thread.run_sync": Launcher(THREAD, 0, "func", REST, joined=True),
    "anyio.run_sync_in_worker_thread": Launcher(THREAD, 0, "func", REST, joined=True),
    "trio.to_thread.run_sync": Launcher(THREAD, 0, "sync_fn", REST, joined=True),
    "fastapi.concurrency.run_in_threadpool": Launcher(THREAD, 0, "func", REST, joined=True),
    "asgiref.sync.sync_to_async": Launcher(THREAD, 0, "func", NONE, joined=True),
    "asyncio.AbstractEventLoop().run_in_executor": Launcher(EXECUTOR, 1, "func", REST),
    "tornado.ioloop.IOLoop.current().run_in_executor": Launcher(EXECUTOR, 1, "func", REST),
    "tornado.ioloop.IOLoop.instance().run_in_executor": Launcher(EXECUTOR, 1, "func", REST),
    "asyncio.create_task": Launcher(TASK, 0, "coro", COROUTINE),
    "asyncio.ensure_future": Launcher(TASK, 0, "coro_or_future", COROUTINE),
    "asyncio.AbstractEventLoop().create_task": Launcher(TASK, 0, "coro", COROUTINE),
    "asyncio.TaskGroup().create_task": Launcher(TASK, 0, "coro", COROUTINE),
    "asyncio.gather": Launcher(TASK, 0, "", COROUTINE, True, joined=True),
    "tornado.gen.multi": Launcher(TASK, 0, "", COROUTINE, True, joined=True),
    "asyncio.wait": Launcher(TASK, 0, "fs", COROUTINE, True, joined=True),
    "asyncio.as_completed": Launcher(TASK, 0, "fs", COROUTINE, True, joined=True),
    "asyncio.run_coroutine_threadsafe": Launcher(TASK, 0, "coro", COROUTINE),
    "tqdm.asyncio.tqdm.gather": Launcher(TASK, 0, "", COROUTINE, True, joined=True),
    "tqdm.asyncio.tqdm_asyncio.gather": Launcher(TASK, 0, "", COROUTINE, True, joined=True),
    "asyncio.run": Launcher(RUN, 0, "main", COROUTINE, joined=True),
    "asyncio.AbstractEventLoop().run_until_complete": Launcher(RUN, 0, "future", COROUTINE, joined=True),
    "asyncio.Runner().run": Launcher(RUN, 0, "coro", COROUTINE, joined=True),
    "anyio.run": Launcher(RUN, 0, "func", REST, joined=True),
    "trio.run": Launcher(RUN, 0, "async_fn", REST, joined=True),
    "asgiref.sync.async_to_sync": Launcher(RUN, 0, "awaitable", NONE, joined=True),
    "anyio.create_task_group().start_soon": Launcher(TASK, 0, "func", REST),
    "anyio.create_task_group().start": Launcher(TASK, 0, "func", REST),
    "trio.open_nursery().start_soon": Launcher(TASK, 0, "async_fn", REST),
    "anyio.from_thread.run": Launcher(TASK, 0, "func", REST, joined=True),
    "asyncio.AbstractEventLoop().call_soon": Launcher(CALLBACK, 0, "callback", REST),
    "asyncio.AbstractEventLoop().call_soon_threadsafe": Launcher(CALLBACK, 0, "callback", REST),
    "asyncio.AbstractEventLoop().call_later": Launcher(CALLBACK, 1, "callback", REST),
    "asyncio.AbstractEventLoop().call_at": Launcher(CALLBACK, 1, "callback", REST),
    "asyncio.AbstractEventLoop().add_signal_handler": Launcher(CALLBACK, 1, "callback", REST, label="loop signal handler"),
    "tornado.ioloop.IOLoop.current().add_callback": Launcher(CALLBACK, 0, "callback", REST),
    "tornado.ioloop.IOLoop.current().spawn_callback": Launcher(CALLBACK, 0, "callback", REST),
    "tornado.ioloop.IOLoop.current().call_later": Launcher(CALLBACK, 1, "callback", REST),
    "tornado.ioloop.PeriodicCallback": Launcher(CALLBACK, 0, "callback", NONE),
    "gevent.spawn": Launcher(GREENLET, 0, "function", REST),
    "gevent.spawn_later": Launcher(GREENLET, 1, "function", REST),
    "gevent.spawn_raw": Launcher(GREENLET, 0, "function", REST),
    "gevent.Greenlet": Launcher(GREENLET, 0, "run", REST),
    "gevent.pool.Pool().spawn": Launcher(GREENLET, 0, "function", REST),
    "gevent.pool.Pool().map": Launcher(GREENLET, 0, "func", EACH, True, joined=True),
    "gevent.pool.Pool().imap": Launcher(GREENLET, 0, "func", EACH, True),
    "gevent.pool.Pool().imap_unordered": Launcher(GREENLET, 0, "func", EACH, True),
    "gevent.pool.Group().spawn": Launcher(GREENLET, 0, "function", REST),
    "gevent.threadpool.ThreadPool().spawn": Launcher(THREAD, 0, "func", REST),
    "eventlet.spawn": Launcher(GREENLET, 0, "func", REST),
    "eventlet.spawn_n": Launcher(GREENLET, 0, "func", REST),
    "eventlet.GreenPool().spawn": Launcher(GREENLET, 0, "function", REST),
    "eventlet.GreenPool().spawn_n": Launcher(GREENLET, 0, "function", REST),
    "eventlet.GreenPool().imap": Launcher(GREENLET, 0, "function", EACH, True),
    "fastapi.BackgroundTasks().add_task": Launcher(THREAD, 0, "func", REST, True, label="background task"),
    "fastapi.BackgroundTask": Launcher(THREAD, 0, "func", REST, True, label="background task"),
    "signal.signal": Launcher(SIGNAL, 1, "handler", NONE, label="signal handler"),
    "weakref.finalize": Launcher(FINALIZER, 1, "func", REST, label="finalizer"),
    "weakref.ref": Launcher(FINALIZER, 1, "callback", NONE, label="weakref callback"),
    "weakref.proxy": Launcher(FINALIZER, 1, "callback", NONE, label="weakref callback"),
    "atexit.register": Launcher(EXIT, 0, "func", REST, label="exit handler"),
    "threading._register_atexit": Launcher(EXIT, 0, "func", REST, label="exit handler"),
    "concurrent.futures.Future().add_done_callback": Launcher(THREAD, 0, "fn", NONE, True, label="callback of the future"),
    "asyncio.Future().add_done_callback": Launcher(CALLBACK, 0, "fn", NONE),
    "rq.Queue().enqueue": Launcher(PROCESS, 0, "f", REST, label="RQ job"),
    "rq.Queue().enqueue_in": Launcher(PROCESS, 1, "func", REST, label="RQ job"),
    "rq.Queue().enqueue_at": Launcher(PROCESS, 1, "f", REST, label="RQ job"),
    "torch.utils.data.DataLoader": Launcher(PROCESS, 0, "dataset", DATASET, True, label="data loader"),
    "multiprocessing.managers.BaseManager().start": Launcher(PROCESS, 0, "initializer", TUPLE, False, 1, args_keyword="initargs"),
    "os.register_at_fork": Launcher(PROCESS, 99, "after_in_child", NONE, label="after-fork hook"),
    "pika.adapters.blocking_connection.BlockingChannel().basic_consume": Launcher(
        JOB, 1, "on_message_callback", NONE, label="message callback"
    ),
    "pika.BlockingConnection().channel().basic_consume": Launcher(JOB, 1, "on_message_callback", NONE, label="message callback"),
}

for _scheduler in (
    "background.BackgroundScheduler",
    "blocking.BlockingScheduler",
    "asyncio.AsyncIOScheduler",
    "gevent.GeventScheduler",
    "tornado.TornadoScheduler",
):
    LAUNCHERS[f"apscheduler.schedulers.{_scheduler}().add_job"] = Launcher(JOB, 0, "func", TUPLE, False, 2, "scheduled job")

PROCESS_POOLS = frozenset(("concurrent.futures.ProcessPoolExecutor()", "multiprocessing.Pool()", "loky.get_reusable_executor()"))
THREAD_POOLS = frozenset(
    ("concurrent.futures.ThreadPoolExecutor()", "concurrent.futures.Executor()", "multiprocessing.pool.ThreadPool()", "gevent.pool.Pool()", "eventlet.GreenPool()")
)  # fmt: skip

WORKER_CLASSES: dict[str, tuple[str, str]] = {
    "threading.Thread": ("run", THREAD),
    "threading.Timer": ("run", THREAD),
    "multiprocessing.Process": ("run", PROCESS),
    "gevent.Greenlet": ("_run", GREENLET),
    "PyQt5.QtCore.QThread": ("run", THREAD),
    "PyQt6.QtCore.QThread": ("run", THREAD),
    "PySide2.QtCore.QThread": ("run", THREAD),
    "PySide6.QtCore.QThread": ("run", THREAD),
}
"""Classes whose subclasses run a method elsewhere once started: class path → (method, where)."""
