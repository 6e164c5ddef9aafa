import struct

import pytest

from keras_rnn2dnn.audio.formats.headers import AudioHeader, read_header, read_whole


def wav(
    samples=b"\0\0" * 8,
    form=(1, 1, 8000, 16000, 2, 16),
    size=None,
    riff_size=None,
    first=b"",
    middle=b"",
):
    size = len(samples) if size is None else size
    chunk = struct.pack("<4sIHHIIHH", b"fmt ", 16, *form)
    sizes = struct.pack("<4sI", b"data", size)
    body = b"".join((b"WAVE", first, chunk, middle, sizes, samples))
    riff_size = len(body) if riff_size is None else riff_size
    return b"RIFF" + struct.pack("<I", riff_size) + body


def mp3(frames=3, promised=None):
    """Silent frames of 64 kbit/s at 16 kHz, mono: 288 bytes each."""
    frame = bytes([0xFF, 0xF3, 0x88, 0xC0]) + bytes(284)
    if promised is None:
        return frame * frames
    tag = bytes([0xFF, 0xF3, 0x88, 0xC0]) + bytes(9) + b"Info\0\0\0\1"
    return (tag + struct.pack(">I", promised)).ljust(288, b"\0") + frame * frames


def test_the_header_of_wav():
    expected = AudioHeader("wav", 8000, 1, "int16", 8)
    assert read_header(wav()) == expected
    for size in (0xFFFFFFFF, 0x7FFFF000, 0x7FFFEFFC):  # of ffmpeg's streams, and sox's
        assert read_header(wav(size=size)) == expected
    for riff_size in (0, 36, 0xFFFFFFFF):  # a size of 0 that was never filled in
        assert read_header(wav(size=0, riff_size=riff_size)) == expected
    stereo = wav(b"\0" * 12, (3, 2, 44100, 0, 8, 32))[:-4] + b"\0" * 8
    assert read_header(stereo).channels == 2


def test_wav_is_given_to_decoders_as_a_header_and_samples():
    samples = bytes(range(16))
    odd = struct.pack("<4sI", b"LIST", 27) + bytes(28)
    for given in (
        wav(samples),
        wav(samples) + odd,
        wav(samples, first=odd),
        wav(samples, middle=odd),
        wav(samples, size=0xFFFFFFFF),
        wav(samples + b"\1"),  # half a sample
    ):
        assert read_whole(given) == (read_header(wav()), wav(samples))


def test_samples_that_are_there_may_be_longer_than_promised_ones():
    long = wav(bytes(4_000_000), (1, 1, 1000, 1000, 1, 8))
    assert read_header(long).num_samples == 4_000_000
    flac = bytearray(b"fLaC\x80\0\0\x22" + bytes(34) + b"\xff\xf8")
    for rate, samples, channels, reason in (
        (1000, 3_600_001, 1, "damaged, or it is longer than 3600 seconds"),
        (48_000, 2**36 - 1, 8, "damaged, or it is longer than 3600 seconds"),
        (655_350, 2**30, 8, "too large: 1,073,741,824 samples of 8 channels"),
        (1, 40, 1, "its header is damaged: 1 Hz, 1 channels"),
        (16_000, 16_000 * 3000, 1, "truncated: 48,000,000 samples in 44 bytes"),
    ):
        packed = rate << 44 | (channels - 1) << 41 | 15 << 36 | samples
        flac[18:26] = packed.to_bytes(8, "big")
        with pytest.raises(ValueError, match=reason):
            read_header(bytes(flac))


def test_wav_that_claims_hours_is_refused():
    with pytest.raises(ValueError, match="damaged, or it is longer than 36000 seconds"):
        read_header(wav(bytes(36_000_001), (1, 1, 1000, 1000, 1, 8)))
    with pytest.raises(ValueError, match="truncated: 16 of 2000000000 bytes"):
        read_header(wav(size=2_000_000_000))


def test_wav_of_laws_doubles_and_many_channels():
    for form, samples in (
        ((6, 1, 8000, 8000, 1, 8), 16),
        ((7, 2, 8000, 16000, 2, 8), 8),
        ((3, 1, 8000, 64000, 8, 64), 2),
    ):
        header = read_header(wav(form=form))
        assert (header.dtype, header.num_samples) == ("other", samples)
    assert read_header(wav(bytes(96), (1, 12, 8000, 0, 24, 16))).channels == 12
    with pytest.raises(ValueError, match="it has 4,000 channels; more than 1,024 are"):
        read_header(wav(bytes(8000), (1, 4000, 8000, 0, 8000, 16)))


def test_a_second_chunk_of_samples_is_refused():
    again = struct.pack("<4sI", b"data", 16) + bytes(16)
    between = struct.pack("<4sI", b"LIST", 3) + bytes(4)
    for rest in (again, between + again):
        with pytest.raises(ValueError, match="it has several chunks of samples"):
            read_header(wav() + rest)
    empty, torn = struct.pack("<4sI", b"data", 0), again[:6]
    for rest in (empty, torn, b"\0\1\2\3" * 3 + again):
        assert read_header(wav() + rest) == read_header(wav())


def test_a_tag_before_flac_is_left_out():
    flac = bytearray(b"fLaC\x80\0\0\x22" + bytes(34) + b"\xff\xf8")
    flac[18:26] = (8000 << 44 | 15 << 36 | 4000).to_bytes(8, "big")
    tagged = b"ID3\4\0\0\0\0\0\x0a" + bytes(10) + flac
    expected = AudioHeader("flac", 8000, 1, "other", 4000)
    assert read_whole(tagged) == (expected, flac)


def test_the_frames_of_mp3_are_counted():
    assert read_header(mp3(5)) == AudioHeader("mp3", 16000, 1, num_samples=2 * 576)
    assert read_header(mp3(5, promised=5)) == AudioHeader("mp3", 16000, 1)
    tagged = b"ID3\4\0\0\0\0\0\x0a" + bytes(10) + mp3(5) + b"TAG" + bytes(125)
    assert read_header(tagged) == read_header(mp3(5))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty"),
        (b"hello", "it is neither WAV, FLAC, MP3 nor Ogg Vorbis"),
        (wav()[:30], "it ends within its header"),
        (wav()[:-3], "it is truncated: 13 of 16 bytes of samples"),
        (wav(b""), "it holds no samples"),
        (wav(size=0), "it holds no samples"),
        (wav(form=(2, 1, 8000, 4000, 1, 4)), "WAV of format 2 with 4 bits is not"),
        (wav(form=(1, 1, 8000, 0, 7, 16)), "its header is damaged: 7 bytes a frame"),
        (wav(form=(1, 1, 0, 0, 2, 16)), "its header is damaged: 0 Hz, 1 channels"),
        (wav(bytes(80), form=(1, 1, 1, 0, 2, 16)), "damaged: 1 Hz, 1 channels"),
        (mp3()[:-1], "it is truncated: frame 2 ends behind the file"),
        (mp3(3, promised=9), "it is truncated: 3 of 9 frames"),
        (mp3() + b"garbage", "it is damaged: no MP3 frame at byte 864"),
        (b"ID3\4\0\0\0\0\0\x0a" + bytes(99), "no MP3 frame behind its tag"),
        (b"OggS" + bytes(30), "it is damaged: page 0 has another checksum"),
        (b"fLaC" + bytes(60), "it is damaged|its header is damaged|ends within"),
    ],
)
def test_what_is_missing_or_damaged_is_told(data, reason):
    with pytest.raises(ValueError, match=reason):
        read_header(data)
