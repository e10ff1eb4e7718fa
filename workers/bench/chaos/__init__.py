"""Trading while everything breaks, and the exchange's own book as the judge."""
