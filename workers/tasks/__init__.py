"""The doors of the workers: one module per queue, one call of a service per task."""
