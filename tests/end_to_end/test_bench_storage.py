"""`nas bench storage` as a person or a script runs it."""

from tests.end_to_end.desk import rows_of


def test_ours_and_optunas_storages_stand_beside_each_other_and_leave_nothing(empty_desk):
    before = set(empty_desk.folder.iterdir())
    command = ("bench", "storage", "--trials", "3", "--choices", "4")
    document = empty_desk.ok(*command, "--json").json
    assert document["trials"] == 3
    assert document["choices"] == 4
    assert [row["storage"] for row in document["storages"]] == [
        "ours, sqlite",
        "ours, sqlite, as a search uses it",
        "Optuna's, sqlite",
        "Optuna's, journal",
        "Optuna's, memory",
    ]
    assert all(row["trials/s"] > 0 for row in document["storages"])
    assert set(empty_desk.folder.iterdir()) == before
    assert "trials/s" in empty_desk.ok(*command).out


def test_a_database_that_is_in_use_keeps_what_it_has(searched):
    def trials():
        return rows_of(searched.database, "SELECT * FROM trials ORDER BY trial_id")

    before = trials()
    url = f"sqlite:///{searched.database}"
    searched.ok("bench", "storage", "--trials", "2", "--choices", "3", "--storage", url)
    assert trials() == before


def test_what_is_no_storage_is_refused_in_a_line(empty_desk):
    said = empty_desk.refused(2, "bench", "storage", "--storage", "nonsense")
    assert "'nonsense' is no URL" in said
