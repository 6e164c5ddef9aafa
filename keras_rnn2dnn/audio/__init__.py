"""Audio: features, corpora, augmentation and synthesis."""
