"""Keywords in a stream, by a classifier of clips: its logits in, words out.

- `spotter`: `KeywordSpotter`, a decoder as those of `hmm` and `ctc` are
- its models are in `models.keywords`
"""

from keras_rnn2dnn.keywords.spotter import KeywordSpotter

__all__ = ["KeywordSpotter"]
