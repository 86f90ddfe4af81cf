"""Editors: the language server, and the plugin of python-lsp-server. Nothing is imported here: the plugin must not load pygls."""
