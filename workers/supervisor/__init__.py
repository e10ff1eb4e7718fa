"""The one command: embedded servers, the process table and its supervision on one machine."""
