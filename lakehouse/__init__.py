"""The lakehouse: tables, transforms, jobs, embedded servers and the command line."""
