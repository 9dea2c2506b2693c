"""Data quality: rules in two forms that must agree, the gates before tables, and data docs."""
