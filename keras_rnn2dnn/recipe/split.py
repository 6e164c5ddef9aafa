"""Recordings by their use: `Split`."""

import dataclasses
from collections.abc import Sequence

from keras_rnn2dnn.audio.corpora.recordings import Recording


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

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The words of the training, in alphabetical order."""
        return tuple(sorted({word for r in self.train for word in r.words}))

    @property
    def babble(self) -> list[Recording]:
        """What babble noise is made of: never recordings of the test."""
        return [*self.train, *self.other_speech]
