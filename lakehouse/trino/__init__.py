"""SQL over the Delta tables through Trino: its files, its catalog, its clients."""
