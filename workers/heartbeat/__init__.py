"""The producer: listens to the markets, stores closed candles, calls the strategies; decides nothing."""
