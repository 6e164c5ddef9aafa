"""The demo, end to end: recordings or synthetic speech in, a table of systems out.

- `data`: who is heard when; `run`, `fold`, `training`, `history`: the way
"""

from keras_rnn2dnn.demo.run import demo_recordings, run_demo
from keras_rnn2dnn.recipe.student import Recipe

__all__ = ["Recipe", "demo_recordings", "run_demo"]
