"""How the goals of specs/system.yaml are measured: real processes, on servers of their own."""
