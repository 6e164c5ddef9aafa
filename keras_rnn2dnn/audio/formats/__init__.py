"""Audio files: bytes in, mono PCM float32 at the wanted rate out.

- `decoding`: any container, rate and number of channels; `graph_decoding`: in `tf.data`
- `headers`, `wav_chunks`: what a file says of itself, and whether it is whole
"""
