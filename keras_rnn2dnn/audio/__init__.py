"""Audio: recordings in, features `(frames, bins)` float32 out.

- `corpora`, `formats`: corpora and files of any kind, as PCM float32 in [-1, 1]
- `features`, `feature_spec`, `centering`, `pcen`, `cepstra`, `mel`, `spec_fields`:
  `LogMel`, and the `FeatureSpec` of it
- `augment`, `resampling`: noise, level, SpecAugment, rate and speed
- `synthesis`, `espeak`, `word_strings`: speech and word strings made on the spot
- `streams`: strings and other speech as a device hears them that is left switched on
- `sample_checks`: what all of them refuse
"""
