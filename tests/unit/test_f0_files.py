"""F0 files are read as they are meant, or refused with the line, what stands there and what is expected."""

import numpy as np
import pytest

from rvc.errors import BadInput
from rvc.f0.curve_file import notes, read_curve

CURVE = [[0, 200], [0.5, 300]]


@pytest.mark.parametrize(
    "content",
    [
        b"0,200\n0.5,300\n",
        b"0,200\r\n0.5,300\r\n",
        b"0, 200\n\n  0.5 , 300\n\n",
        b"\xef\xbb\xbf0,200\n0.5,300",
        "\ufeff0,200\n0.5,300".encode("utf-16-le"),
        "0,200\n0.5,300".encode("utf-16"),
        b"time,f0\n0,200\n0.5,300\n",
        b"# seconds,hertz\n0,200\n0.5,300\n",
        b"0\t200\n0.5\t300\n",
        b"0 200\n0.5  300\n",
        b"0;200\n0,5;300\n",
        b"0\t200,0\n0,5\t300,0\n",
        b'"time","f0"\n"0","200"\n"0.5","300"\n',
        "\ufeff0,200\n0.5,300".encode("utf-32-le"),
    ],
)
def test_a_curve_is_read_as_it_is_meant(tmp_path, content):
    (tmp_path / "f0.csv").write_bytes(content)
    assert read_curve(tmp_path / "f0.csv").tolist() == CURVE


def test_what_the_originals_read_is_read_alike(tmp_path):
    """Each line becomes two float32 numbers; equal times, 0 Hz and an F0 above the highest bin are no errors."""
    (tmp_path / "f0.csv").write_text("0.1,100.7\n0.1,200.123456789\n1e1,0\n 11 ,1200\n")
    expected = np.array([[0.1, 100.7], [0.1, 200.123456789], [10, 0], [11, 1200]], np.float32)
    curve = read_curve(tmp_path / "f0.csv")
    assert curve.dtype == np.float32
    assert np.array_equal(curve, expected)


VOICED = "an F0 of 0 to 16000 Hz, with 0 where the voice has no pitch"


@pytest.mark.parametrize(
    ("text", "number", "line", "expected"),
    [
        ("0,-100\n2,200\n", 1, "0,-100", VOICED),
        ("0,1e30\n1,1e30\n", 1, "0,1e30", VOICED),
        ("0,200\n1,20000\n", 2, "1,20000", VOICED),
        ("1,300\n0,200\n", 2, "0,200", "a time of 1 seconds or later, as the line before; sort the lines by time"),
        ("-1,300\n", 1, "-1,300", "a time of 0 to 86400 seconds first, then the F0 in hertz"),
        ("0,200\n1e9,200\n", 2, "1e9,200", "a time of 0 to 86400 seconds first, then the F0 in hertz"),
        ("0,nan\n1,200\n", 1, "0,nan", "finite numbers, with 0 Hz where the voice has no pitch"),
        ("0,200\ninf,200\n", 2, "inf,200", "finite numbers, with 0 Hz where the voice has no pitch"),
        ("0,200,1\n1,300,1\n", 1, "0,200,1", "seconds,hertz"),
        ("0,200\n\n1\n", 3, "1", "seconds,hertz"),
        ("0,200\ntime,f0\n", 2, "time,f0", "seconds,hertz"),
        ("0,5,200,0\n", 1, "0,5,200,0", "seconds,hertz"),
        ("0,C#4\n", 1, "0,C#4", "seconds,hertz"),
        ("0,2_00\n", 1, "0,2_00", "seconds,hertz"),
    ],
)
def test_a_line_that_cannot_be_meant_is_refused(tmp_path, text, number, line, expected):
    (tmp_path / "f0.csv").write_text(text)
    with pytest.raises(BadInput) as error:
        read_curve(tmp_path / "f0.csv")
    assert str(error.value) == f"line {number} of the F0 file f0.csv is {line!r}; expected {expected}"


def save_npy(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(100))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda p: p.write_text(""), "the F0 file f0 holds no usable points; expected lines of seconds,he"),
        (lambda p: p.write_text("time,f0\n"), "the F0 file f0 holds no usable points; expected lines of seconds,he"),
        (
            save_npy,
            "the F0 file f0 is a NumPy array (.npy), such as the content features of a training; expected text ",
        ),
        (
            lambda p: p.write_text('{"f0": [1, 2]}'),
            "the F0 file f0 is a JSON text, such as a model's settings; expected text lines of seconds,hertz",
        ),
        (lambda p: p.write_bytes(b"RIFF    WAVEfmt "), "the F0 file f0 is a sound file; expected text lines of secon"),
        (lambda p: p.write_bytes(b"\xfc\xe8\n"), "the F0 file f0 is no text in UTF-8; expected lines of seconds,hertz"),
        (lambda p: p.mkdir(), "the F0 file "),
        (lambda p: None, "the F0 file "),
    ],
)
def test_a_file_without_a_curve_is_refused(tmp_path, write, message):
    write(tmp_path / "f0")
    with pytest.raises(BadInput) as error:
        read_curve(tmp_path / "f0")
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_what_the_originals_lose_of_a_curve_is_noted():
    def note(*points):
        return " ".join(notes(np.array(points, np.float32)))

    assert note((0, 200), (300, 200)) == ""
    assert "starts at 2 s; like the originals, this program holds its first value" in note((2, 200), (3, 200))
    assert "spans 400.00 s; like the originals, which count its frames with 16 bits" in note((0, 200), (400, 200))
    assert "reaches 1200 Hz; above 1100 Hz a voice has only one F0 bin" in note((0, 1200))
