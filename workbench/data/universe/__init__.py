"""What traded when: identities behind symbols, listing spans, the universe at a past date."""
