"""The replay venue: a server on loopback that speaks the dialects of real venues, fed from stored or synthetic bars."""
