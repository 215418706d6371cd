"""Scripts from seeds: requests that are nearly sensible, made from the declarations of the messages."""
