"""Data files: whole or absent, refused with one line when damaged, provenance complete."""

import json
import math
import os

import numpy as np
import pytest

from analyses.common import record

ARRAYS = {"spectrum": np.array([[0.0, -1.5], [-0.5, -np.inf]]), "steps": np.arange(2)}
META = {"title": "x", "rows": [{"value": -math.inf}, {"value": 1.5}], "none": None}


def test_what_is_saved_is_loaded(tmp_path):
    path = tmp_path / "new folder" / "data.npz"
    record.save(path, ARRAYS, META)
    arrays, meta = record.load(path)
    assert arrays.keys() == ARRAYS.keys()
    for name, value in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], value)
        assert arrays[name].dtype == value.dtype
    assert meta == META
    assert os.listdir(path.parent) == ["data.npz"]


def test_meta_is_strict_json_with_non_finite_values_named(tmp_path):
    path = tmp_path / "data.npz"
    record.save(path, {}, {"a": [math.nan, np.float32(np.inf), np.int64(3), (-math.inf,)]})
    with np.load(path, allow_pickle=False) as archive:
        text = str(archive[record.META])
    strict = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert strict == {"a": [{"float": "nan"}, {"float": "inf"}, 3, [{"float": "-inf"}]]}
    values = record.load(path)[1]["a"]
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, 3, [-math.inf]]


def test_every_truncation_is_refused_in_one_line(tmp_path):
    path = tmp_path / "data.npz"
    record.save(path, ARRAYS, META)
    whole = path.read_bytes()
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(record.RecordError, match=r"data\.npz: damaged") as caught:
            record.load(path)
        assert "\n" not in str(caught.value)


def test_a_flipped_byte_is_refused_or_harmless(tmp_path):
    path = tmp_path / "data.npz"
    record.save(path, ARRAYS, META)
    whole = bytearray(path.read_bytes())
    for place in range(0, len(whole), 53):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            arrays, meta = record.load(path)
        except record.RecordError:
            continue
        for name in arrays.keys() & ARRAYS.keys():
            np.testing.assert_array_equal(arrays[name], ARRAYS[name])
        assert meta == META


def test_a_missing_or_foreign_file_is_refused(tmp_path):
    with pytest.raises(record.RecordError, match=r"gone\.npz: no such data file"):
        record.load(tmp_path / "gone.npz")
    np.savez(tmp_path / "foreign.npz", x=np.zeros(2))
    with pytest.raises(record.RecordError, match=r"foreign\.npz: damaged or not written by"):
        record.load(tmp_path / "foreign.npz")


def test_a_pickled_object_is_neither_written_nor_read(tmp_path):
    path = tmp_path / "data.npz"
    with pytest.raises(record.RecordError, match="bad: expected numbers or text; got dtype object"):
        record.save(path, {"bad": np.array([None])}, {})
    assert not list(tmp_path.iterdir())
    np.savez(path, **{record.META: np.array(["{}", None], dtype=object)})
    with pytest.raises(record.RecordError, match="damaged or not written by"):
        record.load(path)


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("old")

    def fail(file):
        file.write(b"half of the new")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        record.write_atomically(path, fail)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["page.html"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_bad_time_index_is_named(bad):
    values = np.zeros((9, 3))
    values[4, 2] = values[7, 0] = bad
    with pytest.raises(record.RecordError, match="^loss: expected finite.*got .* at time index 4$"):
        record.require_finite("loss", values)


def test_a_lost_direction_passes_where_it_may_occur():
    values = np.array([0.0, -np.inf])
    assert record.require_finite("log_sigma", values, lost_allowed=True) is values
    values[0] = np.nan
    with pytest.raises(record.RecordError, match="finite values or -inf; got nan at time index 0"):
        record.require_finite("log_sigma", values, lost_allowed=True)
    with pytest.raises(record.RecordError, match="got inf at its only value"):
        record.require_finite("rate", np.inf, lost_allowed=True)


def test_provenance_is_complete_and_fit_for_json(dtype):
    facts = record.provenance(7, dtype)
    assert facts["seed"] == 7
    assert facts["dtype"] == np.dtype(dtype).name
    assert {"python", "device", "commit", "utc", "wall_seconds", *record.PACKAGES} <= facts.keys()
    assert facts["utc"].endswith("+00:00")
    assert facts["wall_seconds"] >= 0
    json.dumps(facts, allow_nan=False)


def test_provenance_outside_a_repository_has_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "ROOT", tmp_path)
    assert record.provenance(0, "float64")["commit"] is None
