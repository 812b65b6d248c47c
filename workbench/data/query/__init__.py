"""SQL over everything stored, and the tables that the data page shows."""
