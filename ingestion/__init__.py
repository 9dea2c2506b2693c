"""Readings on their way into the lake: sources, simulator, producer and lander."""
