"""The commands of `traffic`, a file a group."""
