from nas.dashboard.study_note import escaped, study_note
from nas.front_row import Dropped
from tests.nas.front_rows import made_up_language_report, made_up_report, made_up_row


def test_the_note_holds_the_verified_front_as_a_table():
    report = made_up_report()
    note = study_note(report)
    rows = [line for line in note.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(report.front)
    assert len({line.count("|") for line in rows}) == 1
    assert all(row.architecture.id in note for row in report.front)
    assert note.count("not yet") == 1


def test_the_note_of_a_language_study_has_prefill():
    assert "prefill (ms)" in study_note(made_up_language_report())


def test_names_cannot_break_the_table_or_make_links():
    evil = "a | b\n# c [x](http://y) <b>"
    note = study_note(made_up_report(device=evil, dropped=(Dropped(made_up_row(1), evil),)))
    prose = "\n".join(line for line in note.splitlines() if not line.startswith("    "))
    assert "\n# c" not in note
    assert "](http" not in prose
    assert "\\<b\\>" in prose
    assert "<b>" not in prose


def test_escaping_leaves_plain_words_alone():
    assert escaped("raspberry pi 5") == "raspberry pi 5"
