"""An exchange with paper money that speaks the wire protocols of real ones."""
