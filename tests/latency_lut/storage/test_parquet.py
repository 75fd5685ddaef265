from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from latency_lut import Ceilings, DeviceProfile, StoreError
from tests.latency_lut.networks import PROFILE, all_architectures, measure, store_in, tiny_space

DATABASES = Path(__file__).parent / "databases"


@pytest.fixture
def exported(tmp_path):
    space = tiny_space(("infer", "learn"))
    with store_in(tmp_path) as store:
        for architecture in all_architectures(space):
            measure(store, space, architecture, canary_ns=1000)
        measure(store, space, space.smallest(), profiled=False, created_utc="later")
        store.export_parquet(PROFILE.id, tmp_path / "lut.parquet")
    return tmp_path / "lut.parquet"


@pytest.fixture
def empty(tmp_path):
    (tmp_path / "other").mkdir()
    with store_in(tmp_path / "other") as store:
        yield store


def test_another_store_reads_back_all_that_was_measured(exported, empty):
    profile = empty.import_parquet(exported, device_name="twin")
    assert profile == DeviceProfile(PROFILE.id, "twin", PROFILE.facts)
    assert empty.profiles("twin") == (profile,)
    with store_in(exported.parent) as original:
        assert empty.networks(PROFILE.id) == original.networks(PROFILE.id)
        assert empty.lut(PROFILE.id).entries == original.lut(PROFILE.id).entries
        assert empty.lut(PROFILE.id).costs == original.lut(PROFILE.id).costs


def test_the_exported_name_is_kept_when_no_other_is_given(exported, empty):
    assert empty.import_parquet(exported).device_name == "board1"


def test_what_is_there_already_is_passed_over(exported, empty):
    empty.import_parquet(exported)
    before = empty.networks(PROFILE.id)
    empty.import_parquet(exported)
    assert empty.networks(PROFILE.id) == before


def test_the_file_is_a_table_of_networks_for_anyone(exported):
    table = pd.read_parquet(exported)
    assert {"architecture_id", "precision", "canary_ns", "phases"} <= set(table.columns)
    assert table.phases[0][0]["latency_ns"] == 11_000
    assert list(table.phases[0][0]["group_ns"]) == [11_000, 11_001]


def refusal(store, path) -> str:
    before = store.networks(PROFILE.id)
    with pytest.raises(StoreError) as refused:
        store.import_parquet(path)
    assert store.networks(PROFILE.id) == before
    assert len(str(refused.value).splitlines()) == 1
    return str(refused.value)


def test_damage_anywhere_in_the_file_is_refused_or_harmless(exported, empty, tmp_path):
    """One byte in 97, in data, index and metadata; what is still read right may pass."""
    whole = exported.read_bytes()
    path = tmp_path / "damaged.parquet"
    refused = 0
    for position in range(0, len(whole), 97):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        try:
            empty.import_parquet(path)
        except StoreError as exc:
            assert len(str(exc).splitlines()) == 1
            refused += 1
    assert refused > 10
    if empty.networks(PROFILE.id):
        with store_in(exported.parent) as original:
            assert empty.networks(PROFILE.id) == original.networks(PROFILE.id)


def test_a_truncated_file_is_called_damaged(exported, empty):
    exported.write_bytes(exported.read_bytes()[:-100])
    assert "damaged" in refusal(empty, exported)


def test_a_changed_number_breaks_the_checksum(exported, empty):
    table = pq.read_table(exported)
    column = pa.array([n + 1 for n in table["static_bytes"].to_pylist()])
    position = table.schema.get_field_index("static_bytes")
    changed = table.set_column(position, table.schema.field(position), column)
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), exported)
    assert "checksum" in refusal(empty, exported)


def test_a_changed_cost_breaks_the_checksum(exported, empty):
    table = pq.read_table(exported)
    metadata = dict(table.schema.metadata)
    metadata[b"edge_nas.segment_costs"] = metadata[b"edge_nas.segment_costs"].replace(
        b'"params":100', b'"params":101'
    )
    pq.write_table(table.replace_schema_metadata(metadata), exported)
    assert "checksum" in refusal(empty, exported)


CEILINGS = Ceilings(flops_per_s=110 * 10**9, bytes_per_s=12 * 10**9, quality="good")


@pytest.fixture
def with_ceilings(exported):
    with store_in(exported.parent) as store:
        store.add_ceilings(PROFILE.id, CEILINGS)
        store.export_parquet(PROFILE.id, exported)
    return exported


def changed_metadata(path, key: bytes, change) -> None:
    table = pq.read_table(path)
    metadata = dict(table.schema.metadata)
    metadata[key] = change(metadata[key])
    pq.write_table(table.replace_schema_metadata(metadata), path)


def test_the_ceilings_of_the_device_come_along(with_ceilings, empty):
    assert empty.ceilings(PROFILE.id) is None
    empty.import_parquet(with_ceilings)
    assert empty.ceilings(PROFILE.id) == CEILINGS


def test_a_file_without_ceilings_leaves_those_that_are_there(exported, empty):
    empty.add_ceilings(PROFILE.id, CEILINGS)
    empty.import_parquet(exported)
    assert empty.ceilings(PROFILE.id) == CEILINGS


def test_changed_ceilings_break_their_checksum_and_nothing_is_added(with_ceilings, empty):
    changed_metadata(with_ceilings, b"edge_nas.ceilings", lambda text: text.replace(b"110", b"990"))
    assert "checksum of its ceilings" in refusal(empty, with_ceilings)
    assert empty.ceilings(PROFILE.id) is None


def test_an_edge_nas_that_knows_no_ceilings_reads_the_rest(with_ceilings, empty):
    """The checksum of the rest is what it was before there were ceilings."""
    table = pq.read_table(with_ceilings)
    metadata = {k: v for k, v in table.schema.metadata.items() if b"ceilings" not in k}
    assert len(metadata) == len(table.schema.metadata) - 2
    pq.write_table(table.replace_schema_metadata(metadata), with_ceilings)
    empty.import_parquet(with_ceilings)
    with store_in(with_ceilings.parent) as original:
        assert empty.networks(PROFILE.id) == original.networks(PROFILE.id)


def test_another_programs_parquet_is_refused(empty, tmp_path):
    path = tmp_path / "foreign.parquet"
    pd.DataFrame({"a": [1]}).to_parquet(path)
    assert "not written by nas lut export" in refusal(empty, path)


def test_columns_that_are_not_ours_are_refused(exported, empty):
    table = pq.read_table(exported)
    pq.write_table(table.drop_columns(["canary_ns"]), exported)
    assert "columns" in refusal(empty, exported)


def test_a_later_format_is_refused_with_both_numbers(exported, empty):
    table = pq.read_table(exported)
    metadata = {**table.schema.metadata, b"edge_nas.lut_format": b"7"}
    pq.write_table(table.replace_schema_metadata(metadata), exported)
    assert "format 7; this edge-nas reads up to 3" in refusal(empty, exported)


def test_a_file_of_the_first_format_is_read_in_which_nothing_was_kept_of_what_was_observed(empty):
    empty.import_parquet(DATABASES / "format1.parquet")
    records = empty.networks(PROFILE.id)
    assert [record.purpose for record in records] == ["carrier", "verify"]
    assert [record.observed_json for record in records] == [None, None]
    entry = empty.lut(PROFILE.id).entries["dense(bias=0,size=10)@infer/fp32"]
    assert entry.latency_ns == 10_000


def test_a_network_of_the_first_format_that_is_there_already_is_passed_over(empty):
    """It has the digest that it had before records told what was observed."""
    space = tiny_space(("infer", "learn"))
    measure(empty, space, space.smallest(), canary_ns=1000, peak_bytes=5000)
    empty.import_parquet(DATABASES / "format1.parquet")
    assert len(empty.networks(PROFILE.id)) == 2


def test_what_was_observed_beside_a_network_comes_along(exported, empty):
    observed = '{"energy_j":0.25,"temperature_c":[51.5,null]}'
    with store_in(exported.parent) as store:
        space = tiny_space(("infer", "learn"))
        measure(store, space, space.largest(), observed_json=observed, created_utc="later still")
        store.export_parquet(PROFILE.id, exported)
    empty.import_parquet(exported)
    found = [record.observed_json for record in empty.networks(PROFILE.id)]
    assert found.count(observed) == 1
    assert found.count(None) == len(found) - 1
    assert observed in set(pd.read_parquet(exported)["observed_json"])


def test_no_file_and_no_parquet_are_told_apart(empty, tmp_path):
    assert "there is no file" in refusal(empty, tmp_path / "nowhere.parquet")
    (tmp_path / "text").write_text("hello")
    assert "no Parquet" in refusal(empty, tmp_path / "text")
    assert "no Parquet" in refusal(empty, tmp_path)


def test_a_folder_that_is_not_there_cannot_be_written(empty, tmp_path):
    with pytest.raises(StoreError, match="cannot write"):
        empty.export_parquet(PROFILE.id, tmp_path / "nowhere" / "lut.parquet")


def test_a_profile_without_networks_can_be_exported_and_read(empty, tmp_path):
    empty.export_parquet(PROFILE.id, tmp_path / "lut.parquet")
    assert empty.import_parquet(tmp_path / "lut.parquet") == PROFILE
