"""Distil your own Keras model: from `fit` to an int8 file for a microcontroller.

Replace `teacher` and `features` by yours. Here the teacher is untrained and the
features are noise, so that the example runs anywhere in a few seconds.
"""

import numpy as np

from keras_rnn2dnn import Distiller, KLCallback, dnn_student, rnn_teacher

features = np.random.default_rng(0).normal(size=(64, 100, 40)).astype("float32")
teacher = rnn_teacher(num_features=40, num_classes=51)  # or keras.saving.load_model

student = dnn_student(num_features=40, num_classes=51, context=(15, 5))
distiller = Distiller(teacher, student)
distiller.compile("adam")
distiller.fit(features[8:], epochs=3, callbacks=[KLCallback(features[:8])])
print(distiller.convert("bundle", calibration=features))
