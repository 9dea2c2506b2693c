"""The audit: everything the tables claim, derived anew from Kafka and from the Delta files."""

from lakehouse.audit.balance import balance, landing_balance
from lakehouse.audit.check import Check
from lakehouse.audit.proof import proof

__all__ = ["Check", "balance", "landing_balance", "proof"]
