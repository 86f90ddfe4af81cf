"""MDB000: the linter itself failed on a file. Reported by the engine; there is nothing to check here."""

from flake8_mongo_threads.rules.base import Rule

RULE = Rule(
    code="MDB000",
    name="internal-error",
    summary="The linter itself failed on this file: the message names the rule and the exception, the other rules went on.",
    why=(
        "A rule that raises must not hide what the other rules found, and must not pass unnoticed: the file was not checked completely. "
        "It is a defect of flake8-mongo-threads, never of the file; please report it with the message and, if you can, the code."
    ),
    examples=(),
    silent=("Every rule that finished: what the others found in the file stays.",),
    known_limits=("A file that Python cannot parse is not an internal error: flake8 reports it as E999.",),
    references=("https://flake8.pycqa.org/en/latest/user/error-codes.html",),
)
