"""Recordings by their use: `Split`."""

import dataclasses
from collections.abc import Sequence

from keras_rnn2dnn.audio.corpora.recordings import Recording
from keras_rnn2dnn.util.errors import invalid


@dataclasses.dataclass(frozen=True)
class Split:
    """Recordings by their use; none stands in two of the lists.

    Args:
        train: transcribed, of one or several words each, for teacher and students.
        development: transcribed, for the choices of the decoder.
        unlabelled: of those who will speak, their transcripts unknown; may be empty.
        test: transcribed, for what is measured at the end; may be empty.
        other_speech: none of the words, of anybody; may be empty. It is heard as babble
            behind the words.
    """

    train: Sequence[Recording]
    development: Sequence[Recording]
    unlabelled: Sequence[Recording] = ()
    test: Sequence[Recording] = ()
    other_speech: Sequence[Recording] = ()

    def check(self) -> None:
        """Refuses what nothing can be trained on.

        Raises:
            ValueError: if `train` or `development` is empty or has a recording without
                words, or if the sample rates differ.
        """
        for use in ("train", "development"):
            given = getattr(self, use)
            silent = sum(not recording.words for recording in given)
            if not given or silent:
                received = f"{len(given)} recordings, {silent} of them without words"
                raise ValueError(invalid(use, "recordings with their words", received))
        every = (getattr(self, field.name) for field in dataclasses.fields(self))
        rates = sorted({r.sample_rate_hz for given in every for r in given})
        if len(rates) > 1:
            raise ValueError(
                f"Different sample rates. Expected one for all recordings. Received: "
                f"{rates} Hz. Resample them, as the readers of corpora do with "
                "`sample_rate_hz`"
            )

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The words of the training, in alphabetical order."""
        return tuple(sorted({word for r in self.train for word in r.words}))

    @property
    def babble(self) -> list[Recording]:
        """What babble noise is made of: never recordings of the test."""
        return [*self.train, *self.other_speech]
