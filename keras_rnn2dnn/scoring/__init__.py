"""What was recognised against what was said: words in, rates with intervals out.

- `word_errors`: word error rate, its counts and interval, and a callback for `fit`
- `detections`: words found in a stream, by their times; misses, false words an hour
- `thresholds`: what is missed, and what is false, at thresholds of the confidence
- `pairing`: references beside hypotheses, `{id: words}` or lists
- `vocabulary`: whether a decoder can find the words at all
"""

from typing import TYPE_CHECKING

from keras_rnn2dnn.util.first_import import on_first_use

if TYPE_CHECKING:  # `_PLACES` says the same
    from keras_rnn2dnn.scoring.word_errors import (
        WordErrorRate,
        WordErrorRateCallback,
        align_words,
        word_error_rate,
    )

__all__ = ["WordErrorRate", "WordErrorRateCallback", "align_words", "word_error_rate"]

_PLACES = {
    "WordErrorRate": "scoring.word_errors",
    "WordErrorRateCallback": "scoring.word_errors",
    "align_words": "scoring.word_errors",
    "word_error_rate": "scoring.word_errors",
}

__getattr__, __dir__ = on_first_use(__name__, _PLACES)
