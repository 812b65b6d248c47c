"""Market venues: one vocabulary over ccxt, with retries, bans, budgets and breakers."""
