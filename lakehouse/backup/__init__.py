"""A copy of a lakehouse as it was at one moment, and a lakehouse made of such a copy."""
