"""Pure transforms: frame in, frame out; no session, no clock, no environment."""
