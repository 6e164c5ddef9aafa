"""The main job, end to end: teacher, students, int8, word error rates."""

from keras_rnn2dnn.demo.run import demo_recordings, run_demo
from keras_rnn2dnn.demo.training import Recipe

__all__ = ["Recipe", "demo_recordings", "run_demo"]
