"""Distil recurrent acoustic models into feed-forward students, in Keras.

By task, each with the page of the documentation that shows it. Everything is imported
when it is first used: the package itself loads neither TensorFlow nor Keras nor numpy.

Train a student (docs/start.md, docs/your_model.md):

- `Distiller`: a Keras model that trains a student on its teacher's outputs, with `fit`
- `SoftAlignmentKL`: the loss, Kullback-Leibler divergence from the teacher per frame
- `KLCallback`: divergence and agreement on development data after each epoch
- `rnn_teacher`, `dnn_student`: reference models to begin with
- `crnn_teacher`, `ds_cnn_student`: the same of whole clips, such as keywords
- `SpliceFrames`: the layer that gives each frame its context
- `distillation`, `models`: all of their parts (docs/numbers.md, docs/migrating.md)

Run the teacher once (docs/soft_alignments.md, docs/scaling.md):

- `SoftAlignments`: the teacher's outputs on disk, for any number of students
- `alignments`, `batches`: what is made of them on the way, and how they are read
- `scale`: the teacher's pass on many machines

From speech to targets and words:

- `LogMel`: features from PCM, the same in training and on the device (docs/audio.md)
- `audio`: recordings, corpora, noise, synthetic speech (docs/audio.md)
- `hmm`: flat start, alignment, decoding, losses of paths (docs/soft_alignments.md)
- `ctc`: decoding, and targets that know the labels (docs/ctc.md)
- `keywords`: a classifier of clips that listens in a stream (docs/firmware.md)
- `kaldi`: its directories, archives and posteriors (docs/kaldi.md)

Bring a student to a device (docs/firmware.md):

- `convert`: int8 TensorFlow Lite, C code and a report of what was lost
- `quantization`: int8 and training for it (docs/quantisation.md)
- `deploy`: bundles, their verification, and their arithmetic in numpy
- `budget`: the best student that fits one (docs/soft_alignments.md)

Recognise and score:

- `Recognizer`: a bundle on the host, whole files or streams (docs/recognizer.md)
- `word_error_rate`: with its counts and interval (docs/numbers.md)
- `WordErrorRateCallback`: the same after each epoch (docs/numbers.md)
- `web`: a bundle's C code in a browser (docs/web.md)
- `recognition`, `scoring`: all of their parts

The command `rnn2dnn` (docs/start.md):

- `demo`, `recipe`: the main job, and its steps for any recordings (docs/results.md)
- `report`: a page about a run (docs/report.md)
- `cli`, `commands`: the command line itself
- `util`, `saved_names`: helpers, and what Keras must know to load saved models
"""

from typing import TYPE_CHECKING

from keras_rnn2dnn.saved_names import register
from keras_rnn2dnn.util.first_import import on_first_use

if TYPE_CHECKING:  # for type checkers and the site; `_PLACES` says the same
    from keras_rnn2dnn.alignments.store import SoftAlignments
    from keras_rnn2dnn.audio.features import LogMel
    from keras_rnn2dnn.deploy.convert import convert
    from keras_rnn2dnn.distillation.distiller import Distiller
    from keras_rnn2dnn.distillation.kl_callback import KLCallback
    from keras_rnn2dnn.distillation.losses import SoftAlignmentKL
    from keras_rnn2dnn.models.keywords import crnn_teacher, ds_cnn_student
    from keras_rnn2dnn.models.layers import SpliceFrames
    from keras_rnn2dnn.models.reference import dnn_student, rnn_teacher
    from keras_rnn2dnn.recognition.recognizer import Recognizer
    from keras_rnn2dnn.scoring.word_errors import WordErrorRateCallback, word_error_rate

__version__ = "0.1.0"

__all__ = [
    "Distiller",
    "KLCallback",
    "LogMel",
    "Recognizer",
    "SoftAlignmentKL",
    "SoftAlignments",
    "SpliceFrames",
    "WordErrorRateCallback",
    "convert",
    "crnn_teacher",
    "dnn_student",
    "ds_cnn_student",
    "rnn_teacher",
    "word_error_rate",
]

_PLACES = {
    "Distiller": "distillation.distiller",
    "KLCallback": "distillation.kl_callback",
    "LogMel": "audio.features",
    "Recognizer": "recognition.recognizer",
    "SoftAlignmentKL": "distillation.losses",
    "SoftAlignments": "alignments.store",
    "SpliceFrames": "models.layers",
    "WordErrorRateCallback": "scoring.word_errors",
    "convert": "deploy.convert",
    "crnn_teacher": "models.keywords",
    "dnn_student": "models.reference",
    "ds_cnn_student": "models.keywords",
    "rnn_teacher": "models.reference",
    "word_error_rate": "scoring.word_errors",
}

register()
__getattr__, __dir__ = on_first_use(__name__, _PLACES)
