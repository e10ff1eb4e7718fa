"""Exchanges from the shell: what can be asked, and how an answer is shown."""
