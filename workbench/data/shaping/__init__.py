"""Bars made of bars and trades: higher time frames, information bars, perpetuals, what was known when."""
