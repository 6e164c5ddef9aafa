"""`verify`: the proof that a bundle computes on a device what Python computes."""

from keras_rnn2dnn.deploy.verify.outcome import Outcome
from keras_rnn2dnn.deploy.verify.run import Verification, verify

__all__ = ["Outcome", "Verification", "verify"]
