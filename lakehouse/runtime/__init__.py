"""The embedded runtime: servers for one machine that has nothing installed but Python."""
