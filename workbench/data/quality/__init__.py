"""What is odd in bars: the report, calendars, months covered."""
