"""What a user's own process may import of Ottla: never the broker itself, which runs as a process of its own."""

__version__ = "0.1.0"
