"""A fit comes back as it was made; the store makes it anew when, and only when, it has to."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from latency_lut import Predictor, Store
from latency_lut.fit.network_term import CacheTerm
from latency_lut.storage.fit_document import FIT_VERSION, lut_from_json, lut_to_json
from tests.latency_lut.networks import (
    PROFILE,
    all_architectures,
    measure,
    record_of,
    store_in,
    tiny_space,
)
from tests.latency_lut.synthetic import device, networks_of

KEY = "dense(bias=0,size=1)@infer/fp32"


@pytest.fixture
def measured(tmp_path):
    """A store in which every network of the tiny space was measured, twice over."""
    space = tiny_space(("infer", "learn"))
    with store_in(tmp_path) as store:
        for day in ("first", "second"):
            for i, architecture in enumerate(all_architectures(space)):
                measure(
                    store,
                    space,
                    architecture,
                    canary_ns=1000 + i,
                    peak_bytes=10_000 + i,
                    static_bytes=1000 + i,
                    quality="noisy" if i % 5 == 0 else "good",
                    created_utc=day,
                )
        yield store


def kept_fit(folder):
    """Revision and document of the one fit in the database."""
    with closing(sqlite3.connect(folder / "nas.db")) as connection:
        ((revision, text),) = connection.execute("SELECT revision, document FROM lut_fits")
    return revision, json.loads(text)


def replace_kept_fit(folder, revision, document):
    with closing(sqlite3.connect(folder / "nas.db")) as connection, connection:
        values = (revision, json.dumps(document))
        connection.execute("UPDATE lut_fits SET revision = ?, document = ?", values)


def drop_kept_fits(folder):
    with closing(sqlite3.connect(folder / "nas.db")) as connection, connection:
        connection.execute("DELETE FROM lut_fits")


def latency_changed(document):
    """The document with another latency of `KEY`: what no fit would ever say."""
    entries = document["entries"]
    position = entries["key"].index(KEY)
    entries["latency_ns"][position] = 4321
    return document


def test_a_fitted_lut_comes_back_as_it_was_made(measured):
    lut = measured.lut(PROFILE.id)
    assert lut.memory.keys() == {"tiny"}
    assert {entry.quality for entry in lut.entries.values()} == {"good"}
    assert lut.group("tiny", "infer").repeat.networks > 10
    assert lut_from_json(lut_to_json(lut), lut.profile, "fp32") == lut


def test_a_lut_with_terms_of_two_caches_comes_back_too():
    true = device(fixed_ns=1e5, node_ns=2000.0, cache_bytes=2e6, byte_ns=0.3)
    lut = true.lut(true.table(networks_of(60)))
    ((name, group),) = lut.groups.items()
    assert group.term.reloaded
    term = replace(group.term, beyond=(CacheTerm(1e6, 0.1),))
    lut = replace(lut, groups={name: replace(group, term=term)})
    assert lut_from_json(lut_to_json(lut), lut.profile, "fp32") == lut


def test_an_empty_lut_comes_back_too(store):
    lut = store.lut(PROFILE.id)
    assert lut.entries == {}
    assert lut_from_json(lut_to_json(lut), lut.profile, "fp32") == lut


def test_a_lut_that_was_kept_is_the_one_that_was_fitted(measured):
    fitted = measured.lut(PROFILE.id)
    assert measured.lut(PROFILE.id) == fitted
    predictor = Predictor(tiny_space(("infer", "learn")), measured.lut(PROFILE.id))
    assert predictor.predict(predictor.space.smallest()).missing == ()


def test_a_lut_is_not_fitted_again_before_something_new_was_measured(measured, tmp_path):
    assert measured.lut(PROFILE.id).entries[KEY].latency_ns != 4321
    revision, document = kept_fit(tmp_path)
    replace_kept_fit(tmp_path, revision, latency_changed(document))
    assert measured.lut(PROFILE.id).entries[KEY].latency_ns == 4321


def test_a_lut_is_fitted_again_once_something_new_was_measured(measured, tmp_path):
    fitted = measured.lut(PROFILE.id)
    revision, document = kept_fit(tmp_path)
    replace_kept_fit(tmp_path, revision, latency_changed(document))
    space = tiny_space(("infer", "learn"))
    measure(measured, space, space.smallest(), created_utc="third", canary_ns=1000)
    again = measured.lut(PROFILE.id)
    drop_kept_fits(tmp_path)
    assert measured.lut(PROFILE.id) == again
    assert kept_fit(tmp_path)[0] != revision
    seen = fitted.entries[KEY].carriers + fitted.entries[KEY].set_aside
    assert again.entries[KEY].carriers + again.entries[KEY].set_aside == seen + 1


def test_a_network_of_another_precision_counts_as_new_for_its_canary(measured, tmp_path):
    measured.lut(PROFILE.id)
    revision, _ = kept_fit(tmp_path)
    space = tiny_space(("infer", "learn"))
    measure(measured, space, space.smallest(), precision="int8", canary_ns=1000)
    measured.lut(PROFILE.id)
    assert kept_fit(tmp_path)[0] != revision


def test_a_network_of_another_profile_changes_no_fit(measured, tmp_path):
    measured.lut(PROFILE.id)
    revision, _ = kept_fit(tmp_path)
    _measure_elsewhere(measured)
    measured.lut(PROFILE.id)
    assert kept_fit(tmp_path)[0] == revision


def _measure_elsewhere(store: Store) -> None:
    space = tiny_space()
    store.add_profile(type(PROFILE)("profile-2", "board2"))
    measure(store, space, space.smallest(), profile_id="profile-2")


def test_a_fit_of_another_version_is_not_read(measured, tmp_path):
    """However it looks: the document of a later or an earlier version may be anything."""
    fitted = measured.lut(PROFILE.id)
    revision, _ = kept_fit(tmp_path)
    assert revision.startswith(f"{FIT_VERSION}-")
    other = revision.replace(f"{FIT_VERSION}-", f"{FIT_VERSION + 1}-", 1)
    replace_kept_fit(tmp_path, other, {"anything": "at all"})
    assert measured.lut(PROFILE.id) == fitted
    assert kept_fit(tmp_path)[0] == revision


def test_the_same_network_given_twice_is_nothing_new(measured, tmp_path):
    measured.lut(PROFILE.id)
    revision, _ = kept_fit(tmp_path)
    (record, *_) = measured.networks(PROFILE.id)
    space = tiny_space(("infer", "learn"))
    architecture = space.parse(record.architecture_json)
    assert record.architecture_id == record_of(space, architecture).architecture_id
    changes = {
        name: getattr(record, name)
        for name in ("canary_ns", "peak_bytes", "static_bytes", "created_utc")
    }
    measure(measured, space, architecture, quality=record.phases[0].quality, **changes)
    measured.lut(PROFILE.id)
    assert kept_fit(tmp_path)[0] == revision
