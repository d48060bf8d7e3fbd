"""The report of a run: one self-contained page about its data, model, evaluation and embeddings."""
