"""Commands of ``mongo-threads``, one module each: ``add_arguments(parser)`` and ``run(arguments) -> exit code``."""
