"""The wire protocols of real exchanges, spoken to clients."""
