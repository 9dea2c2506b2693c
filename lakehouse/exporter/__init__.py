"""Tells Prometheus what no process of the pipeline can: how the tables, Kafka and the disk stand.

A process of its own, so that its alerts outlive the lander and the stream, and so that looking at
tables costs neither of them anything. A scrape reads what the last look found.
"""
