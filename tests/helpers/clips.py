"""Small utterance-level students for the tests, and their int8 networks."""

import keras
import numpy as np

from keras_rnn2dnn.deploy import Int8Student, window_model
from keras_rnn2dnn.deploy.device.recognizer import DeviceNetwork
from keras_rnn2dnn.quantization.quantize import quantize

L = keras.layers
FRAMES, BINS, CLASSES = 12, 6, 3


def image(*layers, pooled=True):
    """A student of images."""
    head = [L.GlobalAveragePooling2D()] if pooled else []
    head.append(L.Dense(CLASSES, name="logits"))
    return keras.Sequential([keras.Input((FRAMES, BINS, 1)), *layers, *head])


def row(*layers, frames=FRAMES):
    """A student of rows of frames."""
    head = [L.GlobalAveragePooling1D(), L.Dense(CLASSES, name="logits")]
    return keras.Sequential([keras.Input((frames, BINS)), *layers, *head])


def ds_cnn():
    """Depthwise separable convolutions."""

    def block(layer):
        return [layer, L.BatchNormalization(), L.ReLU()]

    return image(
        *block(L.Conv2D(4, (5, 3), strides=2, padding="same", use_bias=False)),
        L.SpatialDropout2D(0.2),
        *block(L.DepthwiseConv2D(3, padding="same", use_bias=False)),
        *block(L.Conv2D(5, 1, use_bias=False)),
    )


def tc_resnet():
    """Convolutions over time alone, and a sum around two of them."""
    inputs = keras.Input((FRAMES, BINS))
    x = L.Conv1D(4, 3, padding="same", use_bias=False)(inputs)
    y = L.Conv1D(8, 5, strides=2, padding="same", use_bias=False)(x)
    y = L.ReLU()(L.BatchNormalization()(y))
    y = L.BatchNormalization()(L.Conv1D(8, 5, padding="same", use_bias=False)(y))
    z = L.Conv1D(8, 1, strides=2, use_bias=False)(x)
    z = L.ReLU()(L.BatchNormalization()(z))
    x = L.ReLU()(L.Add()([y, z]))
    return keras.Model(inputs, L.Dense(CLASSES)(L.GlobalAveragePooling1D()(x)))


def shaken(model, seed=0):
    """Gives all weights, statistics of batches among them, values of their own."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        low = 0.5 if "variance" in weight.path or "gamma" in weight.path else -1.0
        weight.assign(rng.uniform(low, 1.0, weight.shape))
    return model


def clips(count=60, seed=1):
    """Features of clips."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, FRAMES, BINS)).astype("float32")


def int8_network(student):
    """Returns the file of a student, and its network of the C code."""
    model, field = window_model(shaken(student), FRAMES)
    tflite = quantize(model, clips())
    return tflite, DeviceNetwork.of(tflite, Int8Student.load(tflite, field))


def random_windows(count, seed=0):
    """int8 windows."""
    rng = np.random.default_rng(seed)
    return rng.integers(-128, 128, (count, FRAMES, BINS)).astype(np.int8)
