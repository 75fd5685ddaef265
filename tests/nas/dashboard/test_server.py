import json
import shutil
import socket
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager

import optuna
import pytest
from typer.testing import CliRunner

from nas.cli.app import app
from nas.dashboard.server import annotate, open_server
from nas.errors import BadInput
from tests.nas.front_rows import made_up_report, made_up_row

# No traffic of its own, and nothing kept between runs.
BROWSER_FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)
BROWSER_WAIT_S = 60
TRIALS = 10


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'nas.db'}"


@pytest.fixture
def study(url):
    """A study as a search leaves it: three objectives, constraints by name."""
    study = optuna.create_study(
        study_name="bird-feeder", storage=url, directions=["maximize", "minimize", "minimize"]
    )
    study.add_trials(finished(row) for row in made_up_report().evaluated[:TRIALS])
    return study


def finished(row):
    return optuna.trial.create_trial(
        values=[row.quality, row.latency_ms, row.memory_mib],
        constraints={"latency_ms": row.high_ms - 10.0},
        user_attrs={"architecture": row.architecture.to_json()},
    )


def search_once(study, row):
    """One step as a search takes it, with a write for each thing that is kept."""
    trial = study.ask()
    trial.suggest_categorical("kernel", (3, 5, 7))
    trial.set_constraint("latency_ms", row.high_ms - 10.0)
    trial.set_user_attr("architecture", row.architecture.to_json())
    study.tell(trial, [row.quality, row.latency_ms, row.memory_mib])


@contextmanager
def serving(url):
    """The address of a dashboard on a free port."""
    with open_server(url, port=0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def detail(address):
    with urllib.request.urlopen(f"{address}/api/studies/1") as answer:
        return json.load(answer)


def test_the_dashboard_tells_names_note_and_plots_of_a_study(url, study):
    report = made_up_report()
    annotate(study, report)
    with serving(url) as address:
        shown = detail(address)
    assert shown["name"] == "bird-feeder"
    assert shown["objective_names"] == ["accuracy", "latency_ms", "memory_mib"]
    assert all(row.architecture.id in shown["note"]["body"] for row in report.front)
    figures = [json.loads(item["graph_object"]) for item in shown["plotly_graph_objects"]]
    titles = {figure["layout"]["title"]["text"] for figure in figures}
    assert titles == {
        "mobile on raspberrypi5, fp32: mnist5k",
        "Measured against predicted: 12 of 13 within 10 %",
    }


def test_networks_over_the_budget_show_as_infeasible_and_never_as_best(url, study):
    with serving(url) as address:
        shown = detail(address)
    over = {t["number"] for t in shown["trials"] if any(c > 0 for c in t["constraints"])}
    expected = {row.trial for row in made_up_report().evaluated[:TRIALS] if row.high_ms > 10.0}
    best = {t["number"] for t in shown["best_trials"]}
    assert over == expected != set()
    assert best == {trial.number for trial in study.best_trials}


def test_annotating_again_replaces_note_and_plots(url, study):
    annotate(study, made_up_report())
    second = made_up_report(front=(made_up_row(77),), dropped=())
    annotate(study, second)
    annotate(study, second)
    with serving(url) as address:
        shown = detail(address)
    assert len(shown["plotly_graph_objects"]) == 2
    for item in shown["plotly_graph_objects"]:
        json.loads(item["graph_object"])
    body = shown["note"]["body"]
    assert body.count("| 77 |") == 1
    assert "| 54 |" not in body
    assert shown["note"]["version"] == 2


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_names_of_objectives_that_a_search_gave_are_kept(study):
    study.set_metric_names(["top1", "ms", "mib"])
    annotate(study, made_up_report())
    assert study.metric_names == ["top1", "ms", "mib"]


def test_a_request_to_change_something_is_refused_with_one_line(url, study):
    changes = [
        ("DELETE", "/api/studies/1"),
        ("POST", "/api/studies"),
        ("POST", "/api/studies/1/rename"),
        ("PUT", "/api/studies/1/note"),
        ("POST", "/api/trials/1/tell"),
        ("POST", "/incompatible-rdb-schema"),
    ]
    with serving(url) as address:
        for method, path in changes:
            request = urllib.request.Request(address + path, method=method, data=b"{}")
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(request)
            assert caught.value.code == 403
            reason = json.load(caught.value)["reason"]
            assert reason.startswith("This dashboard only shows studies")
    assert len(study.trials) == TRIALS


def test_it_is_for_this_machine_unless_told_otherwise(url, study):
    with open_server(url, port=0) as server:
        assert server.socket.getsockname()[0] == "127.0.0.1"
    with open_server(url, port=0, host="0.0.0.0") as server:
        assert server.socket.getsockname()[0] == "0.0.0.0"


@pytest.mark.parametrize(
    "name", ["evil.example", "evil.example:80", "", "[", "127.0.0.1.evil.example"]
)
def test_a_page_whose_name_leads_here_cannot_read_it(url, study, name):
    with serving(url) as address:
        request = urllib.request.Request(f"{address}/api/studies/1", headers={"Host": name})
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request)
        assert caught.value.code == 403
        for mine in ("localhost", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080"):
            request = urllib.request.Request(f"{address}/api/studies/1", headers={"Host": mine})
            assert urllib.request.urlopen(request).status == 200


def test_to_open_it_is_said_to_be_what_it_is(url, study):
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        command = ["dashboard", "--port", str(taken.getsockname()[1]), "--storage", url]
        opened = CliRunner().invoke(app, [*command, "--host", "0.0.0.0"])
        closed = CliRunner().invoke(app, command)
    assert "without a password and unencrypted, to everybody" in opened.stderr
    assert "without a password" not in closed.stderr


def test_a_port_in_use_is_told_with_the_way_out(url, study):
    with open_server(url, port=0) as first, pytest.raises(BadInput, match="--port"):
        open_server(url, port=first.server_port)


def test_a_storage_that_is_not_there_is_told_before_a_port_is_taken(url):
    with pytest.raises(BadInput, match="no such file"):
        open_server(url, port=0)


@pytest.fixture
def browser(tmp_path):
    """Headless Chromium that reaches nothing but this machine."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("needs chromium and chromedriver (Debian: chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in BROWSER_FLAGS.split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path / 'browser'}")
    service = webdriver.ChromeService(driver)
    opened = webdriver.Chrome(options=options, service=service)
    yield opened
    opened.quit()


def wait_for_text(browser, wanted):
    from selenium.webdriver.support.ui import WebDriverWait

    def body(driver):
        text = driver.execute_script("return document.body.innerText")
        return text if wanted in text else None

    message = f"{wanted!r} never came up"
    return WebDriverWait(browser, BROWSER_WAIT_S).until(body, message)


class Searching(threading.Thread):
    """A search of its own connection that adds trials until told to stop."""

    def __init__(self, url):
        super().__init__()
        self.study = optuna.load_study(study_name="bird-feeder", storage=url)
        self.stopped = threading.Event()
        self.added = 0
        self.error = None

    def run(self):
        try:
            while not self.stopped.is_set():
                search_once(self.study, made_up_row(TRIALS + self.added))
                self.added += 1
        except Exception as exc:  # noqa: BLE001 - told to the test, whatever it is
            self.error = exc


def test_a_browser_sees_the_study_and_its_front_while_a_search_goes_on(url, study, browser):
    report = made_up_report()
    annotate(study, report)
    search = Searching(url)
    search.start()
    try:
        with serving(url) as address:
            browser.get(f"{address}/dashboard")
            wait_for_text(browser, "bird-feeder")
            browser.get(f"{address}/dashboard/studies/1/note")
            note = wait_for_text(browser, report.front[-1].architecture.id)
            browser.get(f"{address}/dashboard/studies/1")
            wait_for_text(browser, "mobile on raspberrypi5, fp32: mnist5k")
            annotate(study, made_up_report(dropped=()))
            seen = len(detail(address)["trials"])
    finally:
        search.stopped.set()
        search.join()
    assert "13 networks are on the front for raspberrypi5" in note
    assert search.error is None
    assert seen > TRIALS
    assert [t.state.name for t in study.trials] == ["COMPLETE"] * (TRIALS + search.added)
