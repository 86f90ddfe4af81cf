"""``python -m flake8_mongo_threads``: the same as the command ``mongo-threads``."""

import sys

from flake8_mongo_threads.cli import main

# Worker processes that start by "spawn" import this module again under another name.
if __name__ == "__main__":
    sys.exit(main())
