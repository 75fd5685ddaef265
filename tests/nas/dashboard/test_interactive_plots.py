import json

from nas.dashboard.interactive_plots import agreement_figure, front_figure
from tests.nas.front_rows import made_up_report, made_up_row


def traces(figure):
    return {trace["name"]: trace for trace in json.loads(figure.to_json())["data"]}


def test_every_network_of_the_front_has_an_error_bar():
    report = made_up_report()
    found = traces(front_figure(report))
    assert len(found["measured"]["error_x"]["array"]) == len(report.verified)
    assert len(found["predicted"]["x"]) == 1
    assert all(length > 0 for length in found["measured"]["error_x"]["array"])


def test_the_stored_figure_stays_small():
    assert len(front_figure(made_up_report()).to_json()) < 10_000


def test_agreement_says_so_where_nothing_was_measured():
    figure = agreement_figure(made_up_report(front=(made_up_row(0),), dropped=()))
    assert figure.layout.title.text == "Nothing measured yet"
    assert "12 of 13 within 10 %" in agreement_figure(made_up_report()).layout.title.text


def test_a_title_is_text_to_plotly_and_no_markup():
    title = front_figure(made_up_report(device="<a href='x'>y</a>")).layout.title.text
    assert "<a" not in title
