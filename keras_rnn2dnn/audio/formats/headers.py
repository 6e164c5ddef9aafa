"""Headers of WAV, FLAC, MP3 and Ogg Vorbis, and whether files are whole.

Decoders take a truncated file for a shorter one, and some end the process on a damaged
one. So the header is read, and the file checked, before any of them sees it. What some
of them do not read (odd chunks of WAV, sizes of streams, MP3 without the number of its
frames) is written anew in the form that all of them do.
"""

import dataclasses
import struct
import zlib

from keras_rnn2dnn.audio.formats.wav_chunks import WAV_KINDS, plain_wav, wav_chunks

LONGEST_S = 3600  # a damaged header may promise more than the memory holds
_LARGEST = 1 << 30  # samples of all channels together
_LONGEST_WAV_S = 36_000  # its samples are there, but its rate may be wrong
_LEAST_FRAME, _LONGEST_FRAME = 8, 65_535  # bytes and samples of FLAC's frames
_RATES_HZ = range(1000, 768_001)
_MOST_CHANNELS = 1024  # that libsndfile reads
# kbit/s of layer III by index: MPEG 1, and MPEG 2 and 2.5.
_MP3_KBITS = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
_MP3_RATES_HZ = (44100, 48000, 32000)
_MP3_DELAY = 529  # samples by which every decoder is late
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclasses.dataclass(frozen=True)
class AudioHeader:
    """What the header of a file says.

    Args:
        kind: `"wav"`, `"flac"`, `"mp3"` or `"ogg"`.
        sample_rate_hz: of the file.
        channels: in it.
        dtype: to which tensorflow-io decodes; `"other"` where it does not.
        num_samples: per channel, at least; None where the header does not tell.
    """

    kind: str
    sample_rate_hz: int
    channels: int
    dtype: str = "float32"
    num_samples: int | None = None


def read_header(data: bytes) -> AudioHeader:
    """Reads the header of a whole file, as `read_whole` does.

    Args:
        data: the bytes of the file.

    Returns:
        The header.

    Raises:
        ValueError: as of `read_whole`.

    Example:
        >>> read_header(b"hello")
        Traceback (most recent call last):
        ValueError: it is neither WAV, FLAC, MP3 nor Ogg Vorbis
    """
    return read_whole(data)[0]


def read_whole(data: bytes) -> tuple[AudioHeader, bytes]:
    """Reads the header of a whole file, and checks that nothing of it is missing.

    Args:
        data: the bytes of the file.

    Returns:
        The header, and a file of the same samples that every decoder reads: WAV of a
        header and the samples alone, FLAC without a tag before it, MP3 with the number
        of its frames.

    Raises:
        ValueError: if the file is empty, truncated, damaged or of another format; says
            which, without the file's name.
    """
    if not data:
        raise ValueError("it is empty")
    try:
        header, plain = _reader(data)(data)
    except (struct.error, IndexError) as error:
        raise ValueError("it ends within its header") from error
    _check(header)
    most = (1 + len(plain) // _LEAST_FRAME) * _LONGEST_FRAME
    if header.kind == "flac" and (header.num_samples or 0) > most:
        raise ValueError(
            f"its header is damaged, or it is truncated: {header.num_samples:,} "
            f"samples in {len(plain):,} bytes"
        )
    return header, plain


def _check(header):
    """Raises ValueError where a header promises what no recording has."""
    rate, channels, number = header.sample_rate_hz, header.channels, header.num_samples
    if rate not in _RATES_HZ or not channels:
        raise ValueError(f"its header is damaged: {rate} Hz, {channels} channels")
    if channels > _MOST_CHANNELS:
        most = f"more than {_MOST_CHANNELS:,} are not supported"
        raise ValueError(f"it has {channels:,} channels; {most}")
    if number == 0:
        raise ValueError("it holds no samples")
    longest = {"wav": _LONGEST_WAV_S, "mp3": None}.get(header.kind, LONGEST_S)
    if longest and (number or 0) > longest * rate:
        raise ValueError(
            f"its header is damaged, or it is longer than {longest} seconds"
        )
    if header.kind != "wav" and (number or 0) * channels > _LARGEST:
        claimed = f"{number:,} samples of {channels} channels"
        raise ValueError(f"its header is damaged, or it is too large: {claimed}")


def compressed(head: bytes) -> str | None:
    r"""Tells FLAC, Ogg and MP3 by their first bytes from headerless PCM.

    Args:
        head: the first bytes, four or more.

    Returns:
        The name of the format; "" for other data; None where more bytes are needed: MP3
        without a tag is known by its second frame, at most 2 kB later.

    Example:
        >>> compressed(b"fLaC..."), compressed(bytes(4))
        ('FLAC', '')
        >>> compressed(b"\xff\xfb\x90\x64") is None
        True
    """
    for magic, name in ((b"fLaC", "FLAC"), (b"OggS", "Ogg"), (b"ID3", "MP3")):
        if head.startswith(magic):
            return name
    first = _mp3_frame(head, 0)
    if first is None:
        return ""
    if len(head) < first[0] + 4:
        return None
    return "MP3" if _mp3_frame(head, first[0]) else ""


def _reader(data):
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return _wav
    start = _tag_bytes(data)
    if data[start : start + 4] == b"fLaC":
        return _flac
    if data[:4] == b"OggS":
        return _ogg
    if data[:3] == b"ID3" or _mp3_frame(data, 0):
        return _mp3
    raise ValueError("it is neither WAV, FLAC, MP3 nor Ogg Vorbis")


def _tag_bytes(data):
    """Returns the size of the ID3 tag at the beginning, 0 for none."""
    if data[:3] != b"ID3":
        return 0
    size = 0
    for byte in data[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size


def _wav(data):
    form, samples = wav_chunks(data)
    tag, channels, rate, _, block, bits = form
    number = len(samples) // block
    header = AudioHeader("wav", rate, channels, WAV_KINDS[tag, bits], number)
    return header, plain_wav(form, samples)


def _flac(data):
    data = data[_tag_bytes(data) :]
    packed = int.from_bytes(data[18:26], "big")
    rate, channels = packed >> 44, (packed >> 41 & 7) + 1
    num_samples = packed & ((1 << 36) - 1)
    place, last = 4, False
    while not last:
        last = bool(data[place] & 0x80)
        place += 4 + int.from_bytes(data[place + 1 : place + 4], "big")
    if data[place] != 0xFF or data[place + 1] not in (0xF8, 0xF9):
        raise ValueError("its header is damaged: no audio behind it")
    if not num_samples:  # of a pipe, for which libsndfile takes all memory there is
        raise ValueError("its header does not tell how many samples it holds")
    return AudioHeader("flac", rate, channels, "other", num_samples), data


def _ogg(data):
    place, last, pages = 0, False, 0
    while place < len(data):
        if data[place : place + 4] != b"OggS":
            raise ValueError(f"it is damaged: no page at byte {place}")
        segments = data[place + 26]
        sizes = data[place + 27 : place + 27 + segments]
        end = place + 27 + segments + sum(sizes)
        if end > len(data) or len(sizes) < segments:
            raise ValueError(f"it is truncated: page {pages} ends behind the file")
        page = bytearray(data[place:end])
        expected, page[22:26] = bytes(page[22:26]), b"\0\0\0\0"
        if _ogg_checksum(page) != int.from_bytes(expected, "little"):
            raise ValueError(f"it is damaged: page {pages} has another checksum")
        granule = int.from_bytes(data[place + 6 : place + 14], "little", signed=True)
        last, place, pages = bool(data[place + 5] & 4), end, pages + 1
    if data[28:35] != b"\x01vorbis":
        raise ValueError("it is Ogg, but not Vorbis")
    if not last:
        raise ValueError("it is truncated: the last page is missing")
    channels, rate = struct.unpack_from("<BI", data, 39)
    return AudioHeader("ogg", rate, channels, num_samples=max(granule, 0)), data


def _ogg_checksum(page):
    """CRC-32 of the bits in the other order than zlib's, from 0."""
    crc = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2)


def _mp3(data):
    start = place = _tag_bytes(data)
    first = _mp3_frame(data, place)
    if not first:
        raise ValueError("it is damaged: no MP3 frame behind its tag")
    promised = _xing_frames(data[place : place + first[0]])
    frames = 0
    while frame := _mp3_frame(data, place):
        if place + frame[0] > len(data):
            raise ValueError(f"it is truncated: frame {frames} ends behind the file")
        place, frames = place + frame[0], frames + 1
    found = frames - (promised is not None)
    if promised is not None and found < promised:
        raise ValueError(f"it is truncated: {found} of {promised} frames")
    rest = data[place:]
    if len(rest) > 4 and rest[:3] != b"TAG" and rest[:8] != b"APETAGEX" and any(rest):
        raise ValueError(f"it is damaged: no MP3 frame at byte {place}")
    least = None
    if promised is None:  # then soundfile guesses the length, and may read too little
        least = max(0, frames - 3) * (1152 if first[1] >= 32000 else 576) or None
        data = _with_xing(data[start:], frames)
    return AudioHeader("mp3", first[1], first[2], num_samples=least), data


def _mp3_frame(data, place):
    """Returns bytes, sample rate and channels of the frame there; None for no frame."""
    if place + 4 > len(data):
        return None
    head = int.from_bytes(data[place : place + 4], "big")
    version, layer, rate = head >> 19 & 3, head >> 17 & 3, head >> 10 & 3
    kbits = head >> 12 & 15
    if head >> 21 != 0x7FF or version == 1 or layer != 1 or rate == 3:
        return None
    if kbits in (0, 15):
        return None
    rate_hz = _MP3_RATES_HZ[rate] >> (0, 1, 2)[(3, 2, 0).index(version)]
    bits = 1000 * _MP3_KBITS[version != 3][kbits]
    size = (144 if version == 3 else 72) * bits // rate_hz + (head >> 9 & 1)
    return size, rate_hz, 1 if head >> 6 & 3 == 3 else 2


def _with_xing(data, frames):
    """Puts a frame before the others which holds no sound, but their number.

    With "LAME" in it, all decoders leave out the 529 samples of their own delay.
    """
    head = int.from_bytes(data[:4], "big")
    # No checksum; 128 kbit/s (80 before MPEG 1), so that it is long enough; no padding.
    head = (head | 1 << 16) & ~(0xF << 12 | 1 << 9) | 9 << 12
    start = head.to_bytes(4, "big")
    size, _, channels = _mp3_frame(start, 0)
    side = ((9, 17), (17, 32))[head >> 19 & 3 == 3][channels - 1]
    tag = b"Xing" + struct.pack(">II", 1, frames) + b"LAME".ljust(21, b"\0")
    tag += _MP3_DELAY.to_bytes(3, "big")  # 12 bits: encoder's delay; 12: its padding
    return (start + bytes(side) + tag).ljust(size, b"\0") + data


def _xing_frames(frame):
    """Returns the number of frames that the first one promises, or None."""
    for name in (b"Xing", b"Info"):
        place = frame.find(name, 4, 64)
        if place > 0 and frame[place + 7] & 1:
            return int.from_bytes(frame[place + 8 : place + 12], "big")
    return None
