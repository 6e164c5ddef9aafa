"""The options of `rnn2dnn transcribe`; what it does is in `running.transcribe`."""

from keras_rnn2dnn.commands.parser import (
    add_command,
    add_engine,
    add_strict,
    add_threshold,
    add_times,
)


def add(commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "transcribe",
        "Recognise audio with a bundle on this host; the real-time factor and the "
        "latency go to standard error.",
        "rnn2dnn transcribe bundle yes.wav no.flac --times",
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="directory of `convert`")
    parser.add_argument(
        "audio",
        nargs="+",
        metavar="AUDIO",
        help="WAV, FLAC, MP3 or Ogg Vorbis of any rate, or directories of them; - is "
        "standard input: WAV, or else 16-bit little-endian mono PCM at the bundle's "
        "rate without a header, whose words are printed as they come",
    )
    add_times(parser)
    add_threshold(parser)
    add_engine(parser)
    add_strict(parser)
    parser.add_argument(
        "--json", action="store_true", help="print an object for each file"
    )
