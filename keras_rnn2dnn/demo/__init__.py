"""The demo, end to end: recordings or synthetic speech in, a table of systems out.

- `data`: whose recordings, and who is heard when
- `run`: the recipe on each split, and the table of all
"""

from keras_rnn2dnn.demo.data import demo_recordings
from keras_rnn2dnn.demo.run import run_demo
from keras_rnn2dnn.recipe.settings import Recipe

__all__ = ["Recipe", "demo_recordings", "run_demo"]
