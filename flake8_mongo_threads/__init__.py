"""Find concurrency-related misuse of the MongoDB drivers (PyMongo, PyMongo Async, Motor)."""

__version__ = "0.1.0"
