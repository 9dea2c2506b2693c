"""The specs: YAML files that are the truth, and the typed objects that the code reads from them."""
