"""Small programs, each with one finding."""

LOOP = """\
from pymongo import MongoClient


def load(paths):
    for path in paths:
        client = MongoClient()
        client.shop.files.insert_one({"path": path})
"""
"""A program with one finding: MDB101 in line 6, column 18."""

THREADS = """\
from threading import Thread

from pymongo import MongoClient


def worker():
    client = MongoClient()
    client.shop.visits.insert_one({"page": "/"})


for _ in range(5):
    Thread(target=worker).start()
"""
"""A program with one finding: MDB102 in line 7, column 14."""
