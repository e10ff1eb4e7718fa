"""The private streams of all brokers: each change of an order is taken over when its exchange tells it."""
