"""Jobs: they wire transforms to tables, topics and the registry."""
