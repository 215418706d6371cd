"""The `ottla` command line: one module per subcommand, imported once it is asked for."""
