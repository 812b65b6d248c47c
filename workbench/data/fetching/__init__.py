"""Bars and records from venues into the store: only what is missing, with failover, checks and a report."""
