"""The plugin of python-lsp-server: code actions on the findings that its flake8 shows.

python-lsp-server imports this when it starts, so everything else is imported when the first action is asked for. It shows what
flake8 reports; nothing is shown here.
"""

from typing import TYPE_CHECKING, Any

from pylsp import hookimpl

if TYPE_CHECKING:
    from flake8_mongo_threads.lsp.analysis import Analysis, Configuration
    from flake8_mongo_threads.report import Replacement

_OPTIONS = (("config", "--config"), ("select", "--select"), ("extendSelect", "--extend-select"), ("ignore", "--ignore"))
"""Settings of python-lsp-server's flake8 that decide which rules run, and where flake8's configuration is."""

_kept: "dict[tuple[str, ...], Configuration]" = {}
_open: dict[str, str] = {}
"""The texts of buffers that stand for files, by path."""


@hookimpl  # type: ignore[untyped-decorator,unused-ignore]  # python-lsp-server is not needed to check this
def pylsp_code_actions(config: Any, workspace: Any, document: Any, context: dict[str, Any]) -> list[dict[str, Any]]:
    """The fix of each finding of ours among the diagnostics of a range, and a comment that silences it, as the protocol has them."""
    shown = [item for item in context.get("diagnostics") or () if str(item.get("code", "")).startswith("MDB")]
    only = context.get("only")
    if not shown or (only and not any(kind in ("", "quickfix") for kind in only)):
        return []
    from flake8_mongo_threads.lsp import actions

    analysis = _analysis(config, workspace, document)
    offered: list[dict[str, Any]] = []
    for diagnostic in shown:
        row = diagnostic["range"]["start"]["line"]
        for finding in analysis.findings:
            if finding.code != diagnostic["code"] or finding.span.line != row + 1:
                continue
            for action in (actions.fix(analysis, finding), actions.noqa(analysis, finding)):
                if action is not None and action.replacements:
                    edits = [_edit(analysis, replacement) for replacement in action.replacements]
                    offered.append(
                        {
                            "title": action.title,
                            "kind": "quickfix",
                            "diagnostics": [diagnostic],
                            "isPreferred": action.safe,
                            "edit": {"changes": {document.uri: edits}},
                        }
                    )
    return offered


def _analysis(config: Any, workspace: Any, document: Any) -> "Analysis":
    """What is found in the document, with the options that its flake8 has. The file on disk does not count, the buffers do."""
    import os

    from flake8_mongo_threads.lsp.analysis import Configuration, analyse
    from flake8_mongo_threads.semantics import modules

    settings = config.plugin_settings("flake8", document_path=document.path)
    arguments = []
    for name, flag in _OPTIONS:
        value = settings.get(name)
        if value:
            arguments.append(f"{flag}={value if isinstance(value, str) else ','.join(value)}")
    configuration = _kept.setdefault(tuple(arguments), Configuration(arguments))
    chosen, _ = configuration.selection(workspace.root_path or os.path.dirname(document.path) or os.curdir)
    buffers = {other.path: other.source for other in list(workspace.documents.values()) if getattr(other, "path", "").endswith(".py")}
    for path in _open.keys() - buffers.keys():
        modules.overlay(path, None)
    for path, text in buffers.items():
        if _open.get(path) != text:
            modules.overlay(path, text)
    _open.clear()
    _open.update(buffers)
    return analyse(os.path.abspath(document.path), document.source, chosen)


def _edit(analysis: "Analysis", replacement: "Replacement") -> dict[str, Any]:
    from flake8_mongo_threads.lsp import positions

    start, end = positions.region(analysis.lines, replacement.span)
    return {"range": {"start": start._asdict(), "end": end._asdict()}, "newText": replacement.text}
