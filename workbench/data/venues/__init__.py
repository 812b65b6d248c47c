"""Market venues: one vocabulary over ccxt, retries, bans, breakers, fetching and failover."""
