import gzip
import pickle
import struct

import numpy as np
import pytest

from keras_rnn2dnn.kaldi import read_archive, write_archive
from keras_rnn2dnn.kaldi.archives import read_array

pytest.importorskip("kaldiio", reason="needs the extra `kaldi`")


def matrix_bytes(name, rows):
    """A matrix as Kaldi's binary format has it, written by hand."""
    head = name.encode() + b" \0BFM " + struct.pack("<bibi", 4, len(rows), 4, 2)
    return head + b"".join(struct.pack("<2f", *row) for row in rows)


def labels_bytes(name, labels):
    head = name.encode() + b" \0B" + struct.pack("<bi", 4, len(labels))
    return head + b"".join(struct.pack("<bi", 4, label) for label in labels)


def test_kaldis_own_bytes_are_read_and_written(tmp_path):
    rows, labels = [[1.5, -2.0], [0.25, 3.0]], [7, 7, 130000]
    given = tmp_path / "given.ark"
    given.write_bytes(matrix_bytes("u1", rows) + matrix_bytes("u2", rows[:1]))
    found = dict(read_archive(given))
    np.testing.assert_array_equal(found["u1"], rows)
    assert found["u2"].shape == (1, 2) and found["u2"].dtype == np.float32
    assert write_archive(tmp_path / "again.ark", found.items()) == 2
    assert (tmp_path / "again.ark").read_bytes() == given.read_bytes()
    (tmp_path / "ali.gz").write_bytes(gzip.compress(labels_bytes("u1", labels)))
    ((name, states),) = read_archive(tmp_path / "ali.gz")
    assert (name, states.dtype, states.tolist()) == ("u1", np.int32, labels)
    write_archive(tmp_path / "ali.ark", [(name, states)])
    assert (tmp_path / "ali.ark").read_bytes() == labels_bytes("u1", labels)


def test_text_archives_are_read(tmp_path):
    (tmp_path / "a.txt").write_text("u1  [\n  1 2.5\n  -3 4 ]\n")
    (tmp_path / "ali.txt").write_text("u1 3 3 4 \nu2 5 \n")
    np.testing.assert_array_equal(
        dict(read_archive(tmp_path / "a.txt"))["u1"], [[1, 2.5], [-3, 4]]
    )
    found = {name: a.tolist() for name, a in read_archive(tmp_path / "ali.txt")}
    assert found == {"u1": [3, 3, 4], "u2": [5]}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_text_with_tabs_blank_lines_and_empty_alignments(tmp_path, end, packed):
    text = end.join([b"u1\t0 1\t2", b"", b"u2", b"u3 ", b"u4 7", b"", b""])
    path = tmp_path / ("ali.gz" if packed else "ali.txt")
    path.write_bytes(gzip.compress(text) if packed else text)
    found = list(read_archive(path))
    expected = [("u1", [0, 1, 2]), ("u2", []), ("u3", []), ("u4", [7])]
    assert [(name, a.tolist()) for name, a in found] == expected
    assert all(a.dtype == np.int32 for _, a in found)
    path = tmp_path / "m.txt"
    path.write_bytes(end.join([b"u1  [", b" 1 0", b" 0 -inf ]", b"u2\t[ 1 2 ]", b""]))
    found = dict(read_archive(path))
    np.testing.assert_array_equal(found["u1"], [[1, 0], [0, -np.inf]])
    assert found["u1"].dtype == np.float32 and found["u2"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("hello world", "expected numbers, received b'world'"),
        ("u1 [ 1 2 ] [ 3 ]", r"it holds b' \[ 3 \]' behind an array"),
        ("u1 [\n 1 2\n 3 ]", "the rows of a matrix differ in length"),
        ("u1 5000000000", "Expected integers from -2147483648 to 2147483647"),
        ("u1", "it ends behind an id"),
    ],
)
def test_text_that_holds_no_array_is_told(tmp_path, text, error):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(ValueError, match=r"a\.txt' as a Kaldi archive: .*" + error):
        list(read_archive(tmp_path / "a.txt"))


def test_the_table_beside_an_archive_leads_to_its_arrays(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {f"u{n}": rng.normal(size=(n, 3)).astype("float32") for n in (3, 1, 2)}
    write_archive(tmp_path / "a.ark", arrays.items())
    found = dict(read_archive(tmp_path / "a.scp"))
    assert list(found) == ["u1", "u2", "u3"]
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.scp").write_text("x a.ark:3\n")
    ((_, array),) = read_archive(tmp_path / "sub" / "b.scp", root=tmp_path)
    np.testing.assert_array_equal(array, arrays["u3"])


def test_compressed_matrices_are_near_the_given_ones(tmp_path):
    x = np.random.default_rng(0).normal(size=(50, 4)).astype("float32")
    write_archive(tmp_path / "a.ark", [("u", x)], compress=True)
    assert (tmp_path / "a.ark").stat().st_size < x.nbytes / 2
    ((_, found),) = read_archive(tmp_path / "a.ark")
    np.testing.assert_allclose(found, x, atol=0.05)


@pytest.mark.parametrize("place", ["touch owned |", "| cat", "a.ark:3[0:4]"])
def test_commands_and_ranges_are_refused(tmp_path, place, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="Expected the place of an array, such as"):
        read_array(place)
    assert not list(tmp_path.iterdir())


def test_objects_in_an_archive_are_never_unpickled(tmp_path):
    class Harm:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    data = pickle.dumps(Harm())
    head = b"u1 PKL" + bytes([1, len(data)])
    (tmp_path / "a.ark").write_bytes(head + data)
    with pytest.raises(ValueError, match="a.ark' as a Kaldi archive: it holds b'PKL'"):
        list(read_archive(tmp_path / "a.ark"))
    assert not (tmp_path / "owned").exists()


def test_damaged_and_missing_archives_are_named(tmp_path):
    whole = matrix_bytes("u1", [[1, 2], [3, 4]])
    path = tmp_path / "a.ark"
    for data in (whole[:-3], whole[:8], b"u1 \0BXX abc", b"u1 [ 1 2"):
        path.write_bytes(data)
        with pytest.raises(ValueError, match="a.ark' as a Kaldi archive: "):
            list(read_archive(path))
    (tmp_path / "a.gz").write_bytes(gzip.compress(whole)[:20])
    with pytest.raises(ValueError, match="a.gz' as a Kaldi archive: "):
        list(read_archive(tmp_path / "a.gz"))
    with pytest.raises(FileNotFoundError, match="in which Kaldi ran as `root`"):
        read_array("nowhere.ark:3", tmp_path)


def test_what_cannot_be_written_is_refused(tmp_path):
    one = [("u", np.zeros((1, 1)))]
    for path, arrays, text in (
        ("a.npz", one, "Expected a name ending in .ark"),
        ("a.ark", [("u 1", one[0][1])], "Invalid id 'u 1'. Expected no spaces"),
        ("a.ark", [("u\ud800", one[0][1])], "Expected no lone surrogates"),
        ("a.ark", [], "Nothing to write to"),
        ("a.ark", [("u", np.array([3, 2**31]))], "as Kaldi keeps .*=2147483648"),
        ("a.ark", [("u", np.ones((3, 2), int))], r"or integers \(frames,\). Received"),
        ("a.ark", [("u", np.ones((3, 2, 1)))], r"Expected floats \(frames, values\)"),
    ):
        with pytest.raises(ValueError, match=text):
            write_archive(tmp_path / path, arrays)
    assert not list(tmp_path.iterdir())


def entries(path):
    """Three entries, and the places of all bytes that are neither ids nor values."""
    rng = np.random.default_rng(0)
    arrays = {f"utt{n}": rng.normal(size=(n, 3)).astype("float32") for n in (9, 1, 4)}
    write_archive(path, arrays.items())
    data = path.read_bytes()
    heads = []
    for name in arrays:
        start = data.index(name.encode()) + len(name)
        heads += range(start, start + 1 + 15)  # " ", "\0B", "FM ", and both sizes
    return arrays, data, heads


def test_a_byte_changed_in_a_header_is_named(tmp_path):
    path = tmp_path / "a.ark"
    _, whole, heads = entries(path)
    silent = []
    for place in heads:
        for other in (whole[place] ^ 1, whole[place] ^ 0x80, 0, 0xFF):
            data = bytearray(whole)
            data[place] = other
            path.write_bytes(data)
            try:
                list(read_archive(path))
                silent.append((place, other))
            except ValueError as error:
                assert "a.ark' as a Kaldi archive: " in str(error)
                assert "entry 'utt" in str(error) or "id of an utt" in str(error)
    unchanged = {(place, whole[place]) for place in heads}
    assert set(silent) <= unchanged


def test_a_byte_changed_in_a_table_is_named_with_its_entry(tmp_path):
    path = tmp_path / "a.scp"
    arrays, _, _ = entries(tmp_path / "a.ark")
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(len(whole), size=150):
        data = bytearray(whole)
        data[place] ^= 1 << rng.integers(7)
        path.write_bytes(data)
        try:
            found = dict(read_archive(path, "/"))
        except (ValueError, FileNotFoundError) as error:
            assert "a.scp'" in str(error), error
        else:  # an id, or white space
            assert len(found) <= 3
            values = [array.tolist() for array in arrays.values()]
            assert all(array.tolist() in values for array in found.values())


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (
            b"FM \4\xff\xff\xff\x7f\4\xff\xff\xff\x7f",
            "promises 18,446,744,056,529,",
        ),
        (b"FM \4\0\0\0\x80\4\1\0\0\0", "promises -2147483648 values"),
        (b"FV \4\xff\xff\xff\x7f", "promises 8,589,934,598 bytes"),
        (b"DM \4\3\0\0\0\4\0\0\0\0", "promises a matrix of 3 x 0"),
        (b"DV \5\3\0\0\0", "has a mark of 5, where 4 is expected"),
        (b"\4\xff\xff\xff\x7f", "promises 10,737,418,242 bytes"),
        (
            b"CM \0\0\0\0\0\0\0\0\xff\xff\xff\x7f\1\0\0\0",
            "promises 2,147,483,67",
        ),
        (b"CM2 \0\0\x80\x7f\0\0\0\0\1\0\0\0\1\0\0\0", "promises values from inf on"),
        (b"QM \4\1\0\0\0", "where one of FM, FV, DM, DV, CM, CM2, CM3 is expected"),
        (b"FM \4\1", "it ends within a header"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_what_is_not_there_takes_no_memory(tmp_path, head, reason, packed):
    path = tmp_path / ("a.ark.gz" if packed else "a.ark")
    data = b"u1 \0B" + head
    path.write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(ValueError, match=reason):
        list(read_archive(path))


def test_values_that_are_no_numbers_are_named(tmp_path):
    write_archive(tmp_path / "a.ark", [("u1", np.array([1.0, np.nan]))])
    message = "it holds what is no number. It is the entry 'u1' of "
    with pytest.raises(ValueError, match=message):
        list(read_archive(tmp_path / "a.ark"))


def test_an_offset_beside_an_entry_is_named(tmp_path):
    entries(tmp_path / "a.ark")
    for place, reason in ((6, "no array begins at byte 6"), (9999, "none at 9,999")):
        with pytest.raises(ValueError, match=reason):
            read_array(f"a.ark:{place}", tmp_path)
