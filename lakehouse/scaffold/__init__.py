"""Small working programs to begin with, made from the specs."""
