"""The bar store: versioned, transactional tables, one for each source, time frame and symbol."""
