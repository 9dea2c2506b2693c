"""The congestion model: features, training, registry, scores and their outcomes."""
