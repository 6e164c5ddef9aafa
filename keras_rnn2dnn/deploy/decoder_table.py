"""The generated header of the decoder: sizes and tables of one vocabulary in C99."""

from collections.abc import Sequence

from keras_rnn2dnn.deploy.c_tables import array, header, string_literal
from keras_rnn2dnn.deploy.device.decoder import CtcTables
from keras_rnn2dnn.deploy.device.decoders import Tables
from keras_rnn2dnn.deploy.device.events import NO_THRESHOLD, Limits, threshold_steps
from keras_rnn2dnn.deploy.device.keywords import SpotterTables
from keras_rnn2dnn.hmm.reporting import Reporting


def decoder_header(decoder: Tables, limits: Limits, reporting: Reporting) -> str:
    """Returns `decoder_table.h`.

    Args:
        decoder: of `decoder_tables`.
        limits: its times in output frames.
        reporting: which words are reported.
    """
    if isinstance(decoder, CtcTables):
        labels, earlier = decoder.labels, decoder.earlier
        sizes = {"DECODER_WORDS": f"{len(labels)}u", "DECODER_BLANK": decoder.blank}
        if not earlier:
            sizes["DECODER_SLOPE"] = f"({decoder.slope})"
        arrays = []
    elif isinstance(decoder, SpotterTables):
        labels, earlier = decoder.labels, False
        sizes, arrays = _spotter(decoder)
    else:
        labels, earlier = decoder.words, decoder.margin is None
        sizes, arrays = _word_loop(decoder)
    if not earlier:
        sizes |= {
            "DECODER_THRESHOLD": _int32(threshold_steps(reporting.threshold)),
            "DECODER_SUPPRESSED_FRAMES": f"{limits.suppress}u",
            "DECODER_SILENCE_FRAMES": f"{limits.silence}u",
            "DECODER_LONGEST_FRAMES": f"{limits.longest}u",
        }
    tables = [*arrays, _strings(labels)]
    if reporting.keywords is None or earlier:
        return header("DECODER", sizes, tables)
    sizes["DECODER_KEYWORDS"] = 1
    reported = [int(label in reporting.keywords) for label in labels]
    tables.append(array("uint8_t", "decoder_keywords", reported, linkage=""))
    return header("DECODER", sizes, tables)


def _word_loop(decoder):
    """Returns the sizes and arrays of a word loop."""
    sizes = {
        "DECODER_WORD_LOOP": 1,
        "DECODER_WORDS": f"{len(decoder.words)}u",
        "DECODER_NODES": f"{len(decoder.state_of_node)}u",
        "DECODER_HISTORY_FRAMES": f"{decoder.history_frames}u",
        "DECODER_MOVE": f"({decoder.move})",
        "DECODER_PENALTY": f"({decoder.penalty})",
        "DECODER_SLOPE": f"({decoder.slope})",
    }
    if decoder.silence:
        sizes["DECODER_SILENCE"] = 1
    arrays = [
        array("uint16_t", "decoder_state_of_node", decoder.state_of_node),
        array("uint16_t", "decoder_first_node", decoder.first_node),
        array("uint16_t", "decoder_last_node", decoder.last_node),
        array("int32_t", "decoder_offset", decoder.offset),
    ]
    if decoder.margin is None:
        return sizes, arrays
    if decoder.other_penalty is not None:
        sizes |= {
            "DECODER_OTHER": 1,
            "DECODER_OTHER_PENALTY": f"({decoder.other_penalty})",
        }
    sizes |= {
        "DECODER_MARGIN": decoder.margin,
        "DECODER_GAIN_SHIFT": decoder.gain_shift,
        "DECODER_BACKGROUND": f"{len(decoder.background)}u",
    }
    background = array("uint16_t", "decoder_background", decoder.background)
    return sizes, [*arrays, background]


def _spotter(decoder):
    """Returns the sizes and arrays of a keyword spotter."""
    sizes = {
        "DECODER_SPOTTER": 1,
        "DECODER_WORDS": f"{len(decoder.labels)}u",
        "DECODER_SMOOTHED": f"{decoder.smoothed}u",
        "DECODER_WINDOW": f"{decoder.window}u",
        "DECODER_LAG": f"{decoder.lag}u",
        "DECODER_EXPONENTIALS": f"{len(decoder.exponentials)}u",
    }
    arrays = [
        array("uint32_t", "decoder_exponentials", decoder.exponentials),
        array("uint8_t", "decoder_none", decoder.none),
    ]
    return sizes, arrays


def _int32(value):
    """Returns an int32 in C, where the least one has no literal."""
    return "INT32_MIN" if value == NO_THRESHOLD else f"({value})"


def _strings(labels: Sequence[str]) -> str:
    lines = "".join(f"    {string_literal(label)},\n" for label in labels)
    return f"const char *const decoder_words[{len(labels)}] = {{\n{lines}}};\n"
