"""Markets that need no venue: the real sample of packages, and synthetic ones with known truth."""
