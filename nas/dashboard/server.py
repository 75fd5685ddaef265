"""Optuna's dashboard on our studies: served read-only, with note and pictures of the front."""

import contextlib
import ipaddress
import json
import logging
import warnings
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna_dashboard import get_note, save_note, save_plotly_graph_object, wsgi

from nas.dashboard.interactive_plots import agreement_figure, front_figure
from nas.dashboard.read_only_storage import open_read_only
from nas.dashboard.study_note import study_note
from nas.errors import BadInput
from nas.front_row import Report

logger = logging.getLogger(__name__)

_READING = ("GET", "HEAD")
_REFUSAL = "This dashboard only shows studies; change them with the nas commands."
_FRONT_PLOT = "edge-nas-front"
_AGREEMENT_PLOT = "edge-nas-measured-against-predicted"


def is_this_machine(host: str) -> bool:
    """Whether only this machine reaches what listens on `host`."""
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    return False


def serve(storage_url: str, *, port: int, host: str = "127.0.0.1") -> None:
    """Serves the dashboard until Ctrl-C.

    Raises:
        BadInput: no readable studies at the URL, or the port cannot be had.
    """
    with open_server(storage_url, port=port, host=host) as server:
        logger.info("dashboard on http://%s:%d/", host, server.server_port)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            logger.info("dashboard ended")


def open_server(storage_url: str, *, port: int, host: str = "127.0.0.1") -> WSGIServer:
    """A server that listens and waits for `serve_forever`; port 0 takes a free one.

    Raises:
        BadInput: no readable studies at the URL, or the port cannot be had.
    """
    app = dashboard_app(storage_url)
    if is_this_machine(host):
        app = _refusing_other_names(app)
    try:
        return make_server(
            host, port, app, server_class=_ThreadedServer, handler_class=_QuietHandler
        )
    except (OSError, OverflowError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise BadInput(
            f"cannot listen on {host}:{port}: {reason}. Take another port with --port"
        ) from exc


def dashboard_app(storage_url: str) -> WSGIApplication:
    """Optuna's dashboard as a WSGI application that refuses every request to change something.

    Raises:
        BadInput: no readable studies at the URL.
    """
    app = wsgi(open_read_only(storage_url))
    app.install(_only_feasible_best)
    return _refusing_writes(app)


def annotate(study: optuna.Study, report: Report) -> None:
    """Names the study's objectives and attaches note and plots; older ones are replaced.

    It writes attributes of the study only, never of its trials, so a search may be running.
    """
    if study.metric_names is None:
        _name_objectives(study, report)
    note = study_note(report)
    if get_note(study) != note:
        save_note(study, note)
    for plot, figure in {
        _FRONT_PLOT: front_figure(report),
        _AGREEMENT_PLOT: agreement_figure(report),
    }.items():
        save_plotly_graph_object(study, figure, graph_object_id=plot)


def _name_objectives(study: optuna.Study, report: Report) -> None:
    names: list[str] = [report.quality_name, "latency_ms", "memory_mib"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # Optuna calls the method so
        study.set_metric_names(names[: len(study.directions)])


def _refusing_writes(app: WSGIApplication) -> WSGIApplication:
    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in _READING:
            return app(environ, start_response)
        body = json.dumps({"reason": _REFUSAL}).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response("403 Forbidden", headers)
        return [body]

    return guarded


def _refusing_other_names(app: WSGIApplication) -> WSGIApplication:
    """Against a page on the web whose name is made to lead here, so that its script may read us."""

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if is_this_machine(_name_asked_for(environ)):
            return app(environ, start_response)
        body = b"This dashboard is for this machine; open it as localhost."
        start_response("403 Forbidden", [("Content-Type", "text/plain")])
        return [body]

    return guarded


def _name_asked_for(environ: WSGIEnvironment) -> str:
    with contextlib.suppress(ValueError):
        return urlsplit(f"//{environ.get('HTTP_HOST', '')}").hostname or ""
    return ""


def _only_feasible_best(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Takes networks over their budget out of the "best trials", where the dashboard lists them.

    The budgets bound objectives, so what is over one cannot be the reason that a network within
    them all is missing from the list.
    """

    def filtered(*arguments: Any, **named: Any) -> Any:
        body = callback(*arguments, **named)
        if isinstance(body, dict) and "best_trials" in body:
            body["best_trials"] = [t for t in body["best_trials"] if _is_feasible(t)]
        return body

    return filtered


def _is_feasible(trial: dict[str, Any]) -> bool:
    return all(constraint <= 0 for constraint in trial["constraints"])


class _ThreadedServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        logger.debug(format, *args)
