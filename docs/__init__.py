"""What users and maintainers read, and what makes the generated part of it."""
