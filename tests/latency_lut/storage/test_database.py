import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from latency_lut import Predictor, StoreError, driver_url, open_store
from tests.latency_lut.networks import PROFILE, all_architectures, measure, store_in, tiny_space
from tests.postgresql_server import postgresql_server


def refusal(url: str) -> str:
    with pytest.raises(StoreError) as refused, open_store(url) as store:
        store.networks(PROFILE.id)
    text = str(refused.value)
    assert len(text.splitlines()) == 1
    return text


def test_a_postgresql_url_gets_the_driver_that_we_install():
    url = "postgresql://me:secret@host/nas"
    assert driver_url(url) == "postgresql+psycopg://me:secret@host/nas"
    assert driver_url("sqlite:///nas.db") == "sqlite:///nas.db"


@pytest.mark.parametrize("url", ["postgres:/me:secret@host/nas", "mysql://me:secret@host/nas"])
def test_a_url_that_is_refused_is_shown_without_its_password(url):
    assert "secret" not in refusal(url)


def test_a_file_that_is_no_database_is_refused_and_left_as_it_was(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("remember the milk\n" * 100)
    assert "is no SQLite database" in refusal(f"sqlite:///{path}")
    assert path.read_text() == "remember the milk\n" * 100


def test_another_programs_database_is_refused_and_left_as_it_was(tmp_path):
    path = tmp_path / "music.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
        connection.commit()
    before = path.read_bytes()
    assert "another program's: it has a table 'songs'" in refusal(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_a_truncated_database_is_called_damaged(tmp_path):
    space = tiny_space()
    with store_in(tmp_path) as store:
        for architecture in all_architectures(space):
            measure(store, space, architecture)
    path = tmp_path / "nas.db"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "damaged" in refusal(f"sqlite:///{path}")


def test_a_lost_version_table_is_called_damaged(tmp_path):
    with store_in(tmp_path):
        pass
    with closing(sqlite3.connect(tmp_path / "nas.db")) as connection:
        connection.execute("DROP TABLE lut_alembic_version")
        connection.commit()
    assert "no LUT version" in refusal(f"sqlite:///{tmp_path}/nas.db")


def test_a_database_of_a_newer_version_is_refused_with_both_versions(tmp_path):
    with store_in(tmp_path):
        pass
    with closing(sqlite3.connect(tmp_path / "nas.db")) as connection:
        connection.execute("UPDATE lut_alembic_version SET version_num = '0999'")
        connection.commit()
    text = refusal(f"sqlite:///{tmp_path}/nas.db")
    assert "'0999'" in text
    assert "Upgrade edge-nas" in text


@pytest.mark.parametrize("url", ["results/nas.db", "", "mysql://user@host/name"])
def test_a_storage_that_is_no_url_of_ours_is_refused_with_an_example(url):
    text = refusal(url)
    assert "sqlite:///" in text


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path):
    assert "cannot be opened" in refusal(f"sqlite:///{tmp_path}")


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    assert "file" in refusal(f"sqlite:///{tmp_path}/file/nas.db")


def test_an_unreachable_server_is_one_line_without_the_password():
    pytest.importorskip("psycopg", reason="the extra postgresql is not installed")
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = refusal(f"postgresql://user:secret@127.0.0.1:{port}/nas")
    assert "refused" in text
    assert "secret" not in text


def test_reading_needs_no_lock_while_another_writes(tmp_path):
    with store_in(tmp_path) as store:
        measure(store, tiny_space(), tiny_space().smallest())
    with closing(sqlite3.connect(tmp_path / "nas.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with open_store(f"sqlite:///{tmp_path}/nas.db") as store:
            assert len(store.networks(PROFILE.id)) == 1
            assert store.lut(PROFILE.id).entries
        other.execute("ROLLBACK")
        with open_store(f"sqlite:///{tmp_path}/nas.db") as store:  # and is kept afterwards
            assert store.lut(PROFILE.id).entries
        assert other.execute("SELECT count(*) FROM lut_fits").fetchone() == (1,)


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """URL of an empty database on a real server of our own."""
    with postgresql_server() as url:
        yield url


def test_a_server_holds_a_lut_like_a_file_does(postgresql, tmp_path):
    space = tiny_space(("infer", "learn"))
    with open_store(postgresql) as server, store_in(tmp_path) as file:
        server.add_profile(PROFILE)
        for store in (server, file):
            for architecture in all_architectures(space):
                measure(store, space, architecture, canary_ns=7, peak_bytes=2**40)
                measure(store, space, architecture, canary_ns=7, peak_bytes=2**40)
        assert server.networks(PROFILE.id) == file.networks(PROFILE.id)
        assert server.lut(PROFILE.id) == file.lut(PROFILE.id)
        predictor = Predictor(space, server.lut(PROFILE.id))
        assert predictor.predict(space.smallest()).phases[0].latency_ns == 11_000
        server.export_parquet(PROFILE.id, tmp_path / "lut.parquet")
        file.import_parquet(tmp_path / "lut.parquet")
        assert file.networks(PROFILE.id) == server.networks(PROFILE.id)
    with open_store(postgresql) as server:  # a second time: nothing to upgrade
        assert server.profiles("board1") == (PROFILE,)
