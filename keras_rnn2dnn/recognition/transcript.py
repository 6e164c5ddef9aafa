"""What a recognizer found, how fast, and how late."""

import dataclasses
import math

from keras_rnn2dnn.deploy.device import RecognizedWord, Utterance


@dataclasses.dataclass(frozen=True)
class Latency:
    """How late words are, whatever the speed of the machine.

    Args:
        window_ms: of a frame; its features need all of it.
        context_ms: frames to the right that the student hears before it answers.
        decoder_ms: what the decoder waits for at most. It reports a word as soon as
            no other sequence of words can win.
    """

    window_ms: float
    context_ms: float
    decoder_ms: float

    def __str__(self):
        return (
            f"{self.window_ms + self.context_ms:g} ms ({self.window_ms:g} ms window + "
            f"{self.context_ms:g} ms right context), and the decoder's, "
            f"{self.decoder_ms:,g} ms at most"
        )


@dataclasses.dataclass(frozen=True)
class Transcript:
    """What was recognised; printed, it is the text.

    Args:
        words: with their times.
        text: of the words.
        delays_ms: of each word, the audio between its end and what made it certain.
        audio_s: seconds of audio.
        busy_s: seconds taken for them.
        utterances: that are over.
    """

    words: tuple[RecognizedWord, ...]
    text: str
    delays_ms: tuple[int, ...]
    audio_s: float
    busy_s: float
    utterances: tuple[Utterance, ...] = ()

    @property
    def real_time_factor(self) -> float:
        """Seconds taken for a second of audio."""
        return self.busy_s / self.audio_s if self.audio_s else math.nan

    def __str__(self):
        return self.text
