"""The chunks of a WAV file: its format and its samples."""

import struct

_PCM, _FLOAT, _A_LAW, _MU_LAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
WAV_KINDS = {
    (_PCM, 8): "uint8",
    (_PCM, 16): "int16",
    (_PCM, 24): "int32",
    (_PCM, 32): "other",  # tensorflow-io takes its bits for those of floats
    (_FLOAT, 32): "float32",
    (_FLOAT, 64): "other",
    (_A_LAW, 8): "other",
    (_MU_LAW, 8): "other",
}
# ffmpeg streams WAV with the size 0xFFFFFFFF, sox with one just below 0x7FFFF000.
_STREAMED = 0x7FFF0000


def wav_chunks(data: bytes) -> tuple[tuple[int, ...], bytes]:
    """Returns the format of a WAV file and its samples, whole frames.

    Args:
        data: the bytes of the file.

    Returns:
        Tag, channels, rate, bytes a second and a frame, bits; and the samples.

    Raises:
        ValueError: if it is truncated or damaged, of a format that is none of
            `WAV_KINDS`, or has several chunks of samples.
        struct.error: if it ends within its header.
    """
    place, form = 12, None
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        place += 8
        if name == b"fmt ":
            form = struct.unpack_from("<HHIIHH", data, place)
            if form[0] == _EXTENSIBLE:
                form = (struct.unpack_from("<H", data, place + 24)[0], *form[1:])
        if name == b"data":
            break
        place += size + size % 2
    else:
        raise ValueError("it ends within its header")
    if form is None:
        raise ValueError("its header is damaged: no format before the samples")
    tag, channels, rate, _, block, bits = form
    if (tag, bits) not in WAV_KINDS:
        raise ValueError(f"WAV of format {tag} with {bits} bits is not supported")
    if block != channels * bits // 8 or not channels:
        raise ValueError(f"its header is damaged: {block} bytes a frame")
    there = len(data) - place
    # A size of 0 is one that was never filled in, unless the file's own size was.
    unknown = size == 0 and struct.unpack_from("<I", data, 4)[0] != len(data) - 8
    if unknown or (size >= _STREAMED and size > there):
        size = there
    if size > there:
        raise ValueError(f"it is truncated: {there} of {size} bytes of samples")
    if _has_samples(data, place + size + size % 2):
        raise ValueError("it has several chunks of samples, which is not supported")
    form = (tag, channels, rate, rate * block % 2**32, block, bits)
    return form, data[place : place + size // block * block]


def _has_samples(data, place):
    """Tells whether there are samples in the chunks from here on."""
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        if name == b"data" and size:
            return True
        if not (name.isascii() and name.decode().isprintable()):
            return False  # no chunk
        place += 8 + size + size % 2
    return False


def plain_wav(form: tuple[int, ...], samples: bytes) -> bytes:
    """Returns WAV of a header and the samples alone, which every decoder reads."""
    chunk = struct.pack("<4sIHHIIHH", b"fmt ", 16, *form)
    sizes = struct.pack("<4sI", b"data", len(samples))
    body = b"".join((b"WAVE", chunk, sizes, samples))
    return struct.pack("<4sI", b"RIFF", len(body)) + body
