"""Kills processes of the lakehouse at named or random moments and lets the audit judge."""
